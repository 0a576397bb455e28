-- Views for those who look into the journal with SQL: the tables may change from version to version, these stay.
-- Ids as text, as everywhere else; times as seconds since 1970.

CREATE VIEW task_history AS
SELECT lower(hex(id)) AS id, name, queue, state, priority,
    failures + crashes + aborts + (state IN ('running', 'succeeded')) AS attempts, retried,
    created_at, due_at, started_at, ended_at, expires_at,
    started_at - max(created_at, coalesce(due_at, 0)) AS waited_seconds,
    ended_at - started_at AS ran_seconds,
    json_extract(options, '$.timeout') AS timeout, pid, seq
FROM tasks;

-- Attempts that have ended. Number 0 is what became of an error handler, or an end without an attempt.
CREATE VIEW attempt_history AS
SELECT lower(hex(t.id)) AS task_id, t.name, t.queue, a.number, a.pid, a.started_at, a.ended_at,
    a.ended_at - a.started_at AS ran_seconds, nullif(a.cause, '') AS cause, a.type AS error_type,
    a.message AS error_message, a.traceback, a.stack
FROM attempts a JOIN tasks t ON t.seq = a.seq
UNION ALL
SELECT lower(hex(id)), name, queue, failures + crashes + aborts + 1, pid, started_at, ended_at,
    ended_at - started_at, NULL, '', '', '', NULL
FROM tasks WHERE state = 'succeeded';

-- What was printed and logged, in pieces that may hold several lines, or end within one.
CREATE VIEW log_history AS
SELECT lower(hex(t.id)) AS task_id, t.name, o.lease, o.piece, o.at, o.text
FROM output o JOIN tasks t ON t.seq = o.seq;

-- The processes that ran something, by what the journal still knows of that.
CREATE VIEW worker_history AS
SELECT pid, min(started_at) AS first_at, max(ended_at) AS last_at, count(*) AS attempts,
    sum(cause IS NOT NULL) AS failed, sum(cause IN ('timeout', 'signal', 'exit', 'memory', 'abort')) AS killed,
    sum(ran_seconds) AS busy_seconds
FROM attempt_history WHERE pid > 0 AND started_at IS NOT NULL GROUP BY pid;

-- A row for each task and each task that it waits for. Ties are MessagePack: of an array the first item, an array of
-- ids of 16 bytes, with a head of one byte (up to 15 of them) or of three.
CREATE VIEW parent_history AS
WITH RECURSIVE
    heads (seq, ties, head) AS (SELECT seq, ties, hex(substr(ties, 2, 3)) FROM ties),
    counted (seq, ties, most, first) AS (
        SELECT seq, ties,
            CASE substr(head, 1, 1) WHEN '9' THEN instr('123456789ABCDEF', substr(head, 2, 1))
                ELSE instr('123456789ABCDEF', substr(head, 3, 1)) * 4096
                    + instr('123456789ABCDEF', substr(head, 4, 1)) * 256
                    + instr('123456789ABCDEF', substr(head, 5, 1)) * 16
                    + instr('123456789ABCDEF', substr(head, 6, 1)) END,
            CASE substr(head, 1, 1) WHEN '9' THEN 3 ELSE 5 END
        FROM heads
    ),
    parents (seq, ties, most, first, number) AS (
        SELECT seq, ties, most, first, 0 FROM counted WHERE most > 0
        UNION ALL
        SELECT seq, ties, most, first, number + 1 FROM parents WHERE number + 1 < most
    )
SELECT lower(hex(t.id)) AS task_id, t.name, t.state, p.number,
    lower(hex(substr(p.ties, p.first + p.number * 18 + 2, 16))) AS parent_id
FROM parents p JOIN tasks t ON t.seq = p.seq;
