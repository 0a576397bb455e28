-- What short tasks were handed out in one call, until their own rows tell: one row in the place of one a task.

CREATE TABLE handouts (
    last        INTEGER PRIMARY KEY,       -- the lease of the last of its tasks
    first       INTEGER NOT NULL,          -- the lease of the first; those of the others follow
    worker      INTEGER NOT NULL,
    pid         INTEGER NOT NULL,
    started_at  REAL    NOT NULL,
    seqs        TEXT    NOT NULL           -- JSON: the numbers of the tasks
);
