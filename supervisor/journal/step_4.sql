-- What tasks say: the lines in their output, and the items of streams.

-- Of a piece of output: from where on it was printed, logged, and when, as msgpack. Without a row all of it was printed
-- to stdout, at the time of the piece.
CREATE TABLE marks (
    seq         INTEGER NOT NULL,
    lease       INTEGER NOT NULL,
    piece       INTEGER NOT NULL,
    marks       BLOB    NOT NULL,
    PRIMARY KEY (seq, lease, piece)
) WITHOUT ROWID;

-- The attempt (its lease) whose items are those of a task's stream, and how many there are.
CREATE TABLE streams (
    seq         INTEGER PRIMARY KEY,
    lease       INTEGER NOT NULL,
    count       INTEGER NOT NULL
);

CREATE TABLE items (
    seq         INTEGER NOT NULL,
    lease       INTEGER NOT NULL,
    number      INTEGER NOT NULL,          -- 0 for the first
    file        INTEGER NOT NULL,          -- 1: it lies in a file
    data        BLOB    NOT NULL,
    PRIMARY KEY (seq, lease, number)
) WITHOUT ROWID;
