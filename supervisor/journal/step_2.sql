-- Schema 2: named queues, keys (unique, limit, rate), expiry.

ALTER TABLE tasks ADD COLUMN queue TEXT NOT NULL DEFAULT 'default';
ALTER TABLE tasks ADD COLUMN expires_at REAL;
ALTER TABLE tasks ADD COLUMN keys TEXT NOT NULL DEFAULT '';   -- JSON; empty for none

-- What limits and unique keys have to remember across a restart.
CREATE INDEX tasks_keyed ON tasks (seq) WHERE keys != '';

-- Named queues that are not as a new one is.
CREATE TABLE queues (
    name        TEXT PRIMARY KEY,
    weight      REAL NOT NULL,
    paused      INTEGER NOT NULL
) WITHOUT ROWID;
