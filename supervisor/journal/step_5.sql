-- What tasks told while they ran, now by attempt; their contexts; profiles; what is known of hooks.

ALTER TABLE progress RENAME TO progress_before;
CREATE TABLE progress (
    seq         INTEGER NOT NULL,
    lease       INTEGER NOT NULL,
    done        REAL    NOT NULL,
    total       REAL,
    message     TEXT    NOT NULL,
    rate        REAL,                      -- in a second, of late
    at          REAL    NOT NULL,
    PRIMARY KEY (seq, lease)
) WITHOUT ROWID;
INSERT INTO progress SELECT p.seq, t.lease, p.done, p.total, p.message, NULL, coalesce(t.ended_at, t.started_at, t.created_at)
FROM progress_before p JOIN tasks t ON t.seq = p.seq;
DROP TABLE progress_before;

-- JSON. Of tasks with files & 4.
CREATE TABLE contexts (
    seq         INTEGER PRIMARY KEY,
    context     BLOB    NOT NULL
);

CREATE TABLE profiles (
    seq         INTEGER NOT NULL,
    lease       INTEGER NOT NULL,
    cpu         REAL    NOT NULL,          -- seconds
    rss         INTEGER NOT NULL,          -- bytes
    text        TEXT    NOT NULL,
    PRIMARY KEY (seq, lease)
) WITHOUT ROWID;

-- JSON, by what it is about: which hooks the code has, which queues are over the threshold.
CREATE TABLE hooks (
    name        TEXT PRIMARY KEY,
    value       TEXT NOT NULL
) WITHOUT ROWID;
