-- What a restart has to look through: blocks of 1,024 numbers that hold unfinished tasks. An index of those tasks cost
-- one page more in every commit.

CREATE TABLE open_blocks (
    block       INTEGER PRIMARY KEY        -- seq >> 10
);

INSERT INTO open_blocks SELECT DISTINCT seq >> 10 FROM tasks INDEXED BY tasks_unfinished WHERE ended_at IS NULL;

DROP INDEX tasks_unfinished;
