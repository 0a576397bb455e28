-- The journal's tables. Times are wall-clock seconds since 1970; seq is the order of arrival.

CREATE TABLE tasks (
    seq         INTEGER PRIMARY KEY,
    id          BLOB    NOT NULL UNIQUE,   -- time-ordered (UUID 7), so the index grows at its end
    name        TEXT    NOT NULL,
    state       TEXT    NOT NULL,
    priority    INTEGER NOT NULL,
    generation  INTEGER NOT NULL,          -- of the code that submitted it
    lease       INTEGER NOT NULL,          -- the last handing-out to a worker
    worker      INTEGER NOT NULL,
    pid         INTEGER NOT NULL,
    failures    INTEGER NOT NULL,
    crashes     INTEGER NOT NULL,
    aborts      INTEGER NOT NULL,
    files       INTEGER NOT NULL,          -- 1: arguments, 2: result lie in files
    cancelling  INTEGER NOT NULL DEFAULT 0, -- 1: a caller asked for its end while it ran
    created_at  REAL    NOT NULL,
    due_at      REAL,
    started_at  REAL,
    ended_at    REAL,
    options     TEXT    NOT NULL,          -- JSON
    payload     BLOB    NOT NULL,
    result      BLOB
);

-- What a restart has to load, without a walk through the history.
CREATE INDEX tasks_unfinished ON tasks (seq) WHERE ended_at IS NULL;

-- Attempts that ended otherwise than by success (that one is in the task's own row).
CREATE TABLE attempts (
    seq         INTEGER NOT NULL,
    lease       INTEGER NOT NULL,
    number      INTEGER NOT NULL,          -- 1 for the first that counted; 0 for none
    worker      INTEGER NOT NULL,
    pid         INTEGER NOT NULL,
    started_at  REAL    NOT NULL,
    ended_at    REAL    NOT NULL,
    cause       TEXT    NOT NULL,
    type        TEXT    NOT NULL,
    message     TEXT    NOT NULL,
    traceback   TEXT    NOT NULL,
    stack       TEXT,
    PRIMARY KEY (seq, lease)
) WITHOUT ROWID;

-- What attempts printed, in pieces.
CREATE TABLE output (
    seq         INTEGER NOT NULL,
    lease       INTEGER NOT NULL,
    piece       INTEGER NOT NULL,
    at          REAL    NOT NULL,
    text        TEXT    NOT NULL,
    PRIMARY KEY (seq, lease, piece)
) WITHOUT ROWID;

-- The last progress that a task told.
CREATE TABLE progress (
    seq         INTEGER PRIMARY KEY,
    done        REAL    NOT NULL,
    total       REAL,
    message     TEXT    NOT NULL
);
