-- Schema 3: tasks that depend on others, and groups.

-- The ties of a task: its parents, and what becomes of it when one does not succeed. One row however many there are.
CREATE TABLE ties (
    seq         INTEGER PRIMARY KEY,
    ties        BLOB NOT NULL,             -- MessagePack
    delay       REAL NOT NULL,             -- seconds that it waits when its parents have ended
    eta         REAL NOT NULL              -- before which it does not start all the same; 0 for none
);

-- Who belongs to which group, in order. Places below 0 are for what only leads to a member.
CREATE TABLE members (
    family      BLOB    NOT NULL,
    position    INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    id          BLOB    NOT NULL,
    size        INTEGER NOT NULL,          -- how many members the group had, whoever is left
    PRIMARY KEY (family, position)
) WITHOUT ROWID;
CREATE INDEX members_by_task ON members (seq);
