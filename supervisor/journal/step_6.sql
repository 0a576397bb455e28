-- What is counted by queue and name, so that totals outlive a restart, and what was changed while the system ran.

CREATE TABLE totals (
    queue       TEXT NOT NULL,
    name        TEXT NOT NULL,             -- empty for what belongs to no single one
    at          REAL NOT NULL,
    counts      BLOB NOT NULL,             -- MessagePack
    PRIMARY KEY (queue, name)
) WITHOUT ROWID;

-- What is in force in the place of a setting, a limit or a rate; JSON.
CREATE TABLE configured (
    what        TEXT PRIMARY KEY,
    value       TEXT NOT NULL
) WITHOUT ROWID;

-- Who changed what, and when.
CREATE TABLE changes (
    number      INTEGER PRIMARY KEY AUTOINCREMENT,
    at          REAL NOT NULL,
    pid         INTEGER NOT NULL,
    uid         INTEGER NOT NULL,
    what        TEXT NOT NULL,
    before      TEXT NOT NULL,             -- JSON
    after       TEXT NOT NULL              -- JSON
);
