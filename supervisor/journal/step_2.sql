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

-- A kill about which the task's error handler is to be asked (a cause; empty for none), and how often a task was taken
-- up again after it had ended.
ALTER TABLE tasks ADD COLUMN asking TEXT NOT NULL DEFAULT '';
ALTER TABLE tasks ADD COLUMN retried INTEGER NOT NULL DEFAULT 0;

-- The dead letters, by their end. A table, since a partial index on the state costs every task 12 microseconds.
CREATE TABLE dead_letters (
    ended_at    REAL NOT NULL,
    id          BLOB NOT NULL,
    name        TEXT NOT NULL,
    PRIMARY KEY (ended_at, id)
) WITHOUT ROWID;
INSERT INTO dead_letters SELECT ended_at, id, name FROM tasks WHERE state IN ('failed', 'timed_out', 'lost');

-- Schedules: how far each has come. Times are milliseconds since 1970, for a slot is one exactly.
CREATE TABLE schedules (
    name        TEXT PRIMARY KEY,
    timing      TEXT NOT NULL,             -- JSON
    paused      INTEGER NOT NULL,
    origin      INTEGER NOT NULL,          -- when it was first seen with this timing
    seen        INTEGER NOT NULL,          -- every slot up to here was dealt with
    series      INTEGER NOT NULL,          -- grows when slots are counted from another origin
    fired       TEXT NOT NULL,             -- JSON: spans of slots that were dealt with
    open        BLOB NOT NULL,             -- ids of tasks that may not have ended
    last_slot   INTEGER,
    last_task   BLOB,
    generation  INTEGER NOT NULL,
    plan        BLOB                       -- of one that a client added; those of the code come with the code
) WITHOUT ROWID;
