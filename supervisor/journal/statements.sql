-- name: insert_task
INSERT OR IGNORE INTO tasks (seq, id, name, state, priority, generation, lease, worker, pid, failures, crashes, aborts,
    files, created_at, due_at, started_at, ended_at, options, payload, result, queue, expires_at, keys)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_waiting
-- One that no worker was given, as most come in: less to bind.
INSERT OR IGNORE INTO tasks (seq, id, name, state, priority, generation, lease, worker, pid, failures, crashes, aborts,
    files, created_at, due_at, options, payload, queue, expires_at, keys)
VALUES (?, ?, ?, ?, ?, ?, 0, 0, 0, 0, 0, 0, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: lease_task
UPDATE tasks SET state = 'running', lease = ?, worker = ?, pid = ?, started_at = ?, due_at = NULL,
    failures = ?, crashes = ?, aborts = ? WHERE seq = ?;

-- name: move_task
UPDATE tasks SET state = ?, due_at = ?, priority = ?, failures = ?, crashes = ?, aborts = ? WHERE seq = ?;

-- name: succeed_task
-- All else is as it was when it was handed out, which is in the journal before any worker hears of it.
UPDATE tasks SET state = 'succeeded', ended_at = ?, files = ?, result = ? WHERE seq = ?;

-- name: serve_tasks
-- Both at once, where that they were handed out was held back, of tasks and leases that follow each other: a statement a
-- task takes three times as long. reported() is the result that this turn has of a task.
UPDATE tasks SET lease = seq + ?, worker = ?, pid = ?, started_at = ?, due_at = NULL, failures = ?, crashes = ?, aborts = ?,
    state = 'succeeded', ended_at = ?, files = ?, result = reported(seq) WHERE seq BETWEEN ? AND ?;

-- name: note_handout
INSERT OR REPLACE INTO handouts (first, last, worker, pid, started_at, seqs) VALUES (?, ?, ?, ?, ?, ?);

-- name: forget_handouts
DELETE FROM handouts WHERE last < ?;

-- name: take_up_handouts
-- Of several handouts of a task the last counts, and only while its own row does not tell of that or of a later one.
UPDATE tasks SET state = 'running', lease = handout.lease, worker = handout.worker, pid = handout.pid,
    started_at = handout.started_at, due_at = NULL
FROM (SELECT each.value AS seq, max(first + each.key) AS lease, worker, pid, started_at
    FROM handouts, json_each(seqs) AS each GROUP BY each.value) AS handout
WHERE tasks.seq = handout.seq AND tasks.ended_at IS NULL AND tasks.lease < handout.lease;

-- name: end_task
UPDATE tasks SET state = ?, ended_at = ?, due_at = NULL, failures = ?, crashes = ?, aborts = ?, files = ?, result = NULL
WHERE seq = ?;

-- name: cancel_task
UPDATE tasks SET cancelling = 1 WHERE seq = ?;

-- name: insert_attempt
INSERT OR REPLACE INTO attempts (seq, lease, number, worker, pid, started_at, ended_at, cause, type, message, traceback, stack)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_output
INSERT OR REPLACE INTO output (seq, lease, piece, at, text) VALUES (?, ?, ?, ?, ?);

-- name: insert_marks
INSERT OR REPLACE INTO marks (seq, lease, piece, marks) VALUES (?, ?, ?, ?);

-- name: drop_output
DELETE FROM output WHERE (seq, lease, piece) = (?, ?, ?);

-- name: drop_marks
DELETE FROM marks WHERE (seq, lease, piece) = (?, ?, ?);

-- name: insert_item
INSERT OR REPLACE INTO items (seq, lease, number, file, data) VALUES (?, ?, ?, ?, ?);

-- name: save_stream
INSERT OR REPLACE INTO streams (seq, lease, count) VALUES (?, ?, ?);

-- name: forget_stream
-- Of a task that is gone, or is taken up again: it begins anew.
DELETE FROM streams WHERE seq = ?;

-- name: save_progress
INSERT OR REPLACE INTO progress (seq, lease, done, total, message, rate, at) VALUES (?, ?, ?, ?, ?, ?, ?);

-- name: save_profile
INSERT OR REPLACE INTO profiles (seq, lease, cpu, rss, text) VALUES (?, ?, ?, ?, ?);

-- name: save_context
INSERT OR REPLACE INTO contexts (seq, context) VALUES (?, ?);

-- name: mark_context
UPDATE tasks SET files = files | 4 WHERE seq = ? AND files & 4 = 0;

-- name: context
SELECT context FROM contexts WHERE seq = ?;

-- name: save_hook
INSERT OR REPLACE INTO hooks (name, value) VALUES (?, ?);

-- name: hooks
SELECT name, value FROM hooks;

-- name: progress
SELECT done, total, message, rate, at FROM progress WHERE seq = ? AND lease BETWEEN ? AND ? ORDER BY lease DESC LIMIT 1;

-- name: profile
SELECT cpu, rss, text FROM profiles WHERE seq = ? AND lease BETWEEN ? AND ? ORDER BY lease LIMIT 1;

-- name: origin
SELECT retried, created_at FROM tasks WHERE seq = ?;

-- name: arguments
SELECT name, payload, files, options FROM tasks WHERE id = ?;

-- name: save_asking
UPDATE tasks SET asking = ? WHERE seq = ?;

-- name: save_ties
INSERT OR REPLACE INTO ties (seq, ties, delay, eta) VALUES (?, ?, ?, ?);

-- name: save_member
INSERT OR REPLACE INTO members (family, position, seq, id, size) VALUES (?, ?, ?, ?, ?);

-- name: ties_of
SELECT ties FROM ties WHERE seq = ?;

-- name: tied
SELECT t.id, d.ties, d.delay, d.eta
FROM open_blocks b
CROSS JOIN ties d ON d.seq BETWEEN b.block << 10 AND (b.block << 10) + 1023
CROSS JOIN tasks t ON t.seq = d.seq
WHERE t.ended_at IS NULL ORDER BY b.block, d.seq;

-- name: member
SELECT id FROM members WHERE family = ? AND position = ?;

-- name: end_of
SELECT name, state FROM tasks WHERE id = ?;

-- name: members
SELECT m.id, t.state, m.size FROM members m JOIN tasks t ON t.seq = m.seq
WHERE m.family = ? AND m.position >= ? ORDER BY m.position;

-- name: grouped_between
SELECT seq, family FROM members WHERE seq BETWEEN ? AND ?;

-- name: bury
INSERT OR REPLACE INTO dead_letters SELECT ended_at, id, name FROM tasks WHERE seq = ?;

-- name: unbury
DELETE FROM dead_letters WHERE (ended_at, id) = (SELECT ended_at, id FROM tasks WHERE seq = ?);

-- name: keep_success
-- A task that succeeded is about to be taken up again: its attempt is no longer told by its own row.
INSERT OR REPLACE INTO attempts
    (seq, lease, number, worker, pid, started_at, ended_at, cause, type, message, traceback, stack)
SELECT seq, lease, failures + crashes + aborts + 1, worker, pid, started_at, ended_at, '', '', '', '', NULL
FROM tasks WHERE seq = ? AND state = 'succeeded';

-- name: keep_unstarted
-- An end without a start was its last word (lease 0); now it is history.
UPDATE OR REPLACE attempts SET lease = -1 - (SELECT retried FROM tasks WHERE tasks.seq = attempts.seq)
WHERE seq = ? AND lease = 0;

-- name: revive_task
UPDATE tasks SET ended_at = NULL, started_at = NULL, expires_at = NULL, result = NULL, files = files & ~2,
    asking = '', cancelling = 0, retried = retried + 1 WHERE seq = ?;

-- name: newcomers
-- Those that wait for a worker, were never given to one, and have nothing that only some tasks have: few columns.
SELECT seq, id, name, generation, files, priority, created_at, options FROM tasks
WHERE seq BETWEEN :block << 10 AND (:block << 10) + 1023 AND ended_at IS NULL
    AND (state = 'queued' AND lease = 0 AND due_at IS NULL AND expires_at IS NULL AND keys = '') IS TRUE
ORDER BY seq;

-- name: unfinished
-- All others.
SELECT seq, id, name, state, generation, lease, worker, pid, failures, crashes, aborts, files, created_at, due_at,
    started_at, cancelling, priority, expires_at, keys, options, asking FROM tasks
WHERE seq BETWEEN :block << 10 AND (:block << 10) + 1023 AND ended_at IS NULL
    AND (state = 'queued' AND lease = 0 AND due_at IS NULL AND expires_at IS NULL AND keys = '') IS NOT TRUE
ORDER BY seq;

-- name: unfinished_in
SELECT id FROM tasks WHERE seq BETWEEN ? << 10 AND (? << 10) + 1023 AND ended_at IS NULL ORDER BY seq;

-- name: open_blocks
SELECT block FROM open_blocks ORDER BY block;

-- name: open_block
INSERT OR IGNORE INTO open_blocks (block) VALUES (?);

-- name: close_block
DELETE FROM open_blocks WHERE block = ?;

-- name: find_open_blocks
-- After a salvage, by the rows that are left.
INSERT OR IGNORE INTO open_blocks SELECT DISTINCT seq >> 10 FROM tasks WHERE ended_at IS NULL;

-- name: stored
SELECT seq, id, name, state, generation, lease, worker, pid, failures, crashes, aborts, files, created_at, due_at,
    started_at, cancelling, priority, expires_at, keys, options, asking, retried
FROM tasks WHERE id = ?;

-- name: save_queue
INSERT OR REPLACE INTO queues (name, weight, paused) VALUES (?, ?, ?);

-- name: save_schedule
INSERT OR REPLACE INTO schedules (name, timing, paused, origin, seen, series, fired, open, last_slot, last_task,
    missed, generation, plan)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: delete_schedule
DELETE FROM schedules WHERE name = ?;

-- name: schedules
SELECT name, timing, paused, origin, seen, series, fired, open, last_slot, last_task, missed, generation, plan
FROM schedules;

-- name: queues
SELECT name, weight, paused FROM queues;

-- name: keyed
SELECT id, keys, created_at FROM tasks WHERE keys != '';

-- name: keyed_starts
-- Of attempts that did not succeed their own row tells, of those that run their lease. One that was given back has
-- neither, and did not count. Number 0 is the question to an error handler, lease 0 and below an end without a start.
SELECT t.keys, a.started_at FROM tasks t JOIN attempts a ON a.seq = t.seq
WHERE t.keys != '' AND a.number > 0 AND a.lease > 0
UNION ALL
SELECT keys, started_at FROM tasks WHERE keys != '' AND state = 'succeeded';

-- name: highest
SELECT coalesce(max(seq), 0), coalesce((SELECT max(lease) FROM tasks), 0) FROM tasks;

-- name: payloads
SELECT seq, payload FROM tasks WHERE seq BETWEEN ? AND ? AND ended_at IS NULL;

-- name: seq_of
SELECT seq, state FROM tasks WHERE id = ?;

-- name: task
SELECT t.seq, t.id, t.name, t.state, t.priority, t.failures + t.crashes + t.aborts, t.lease, t.created_at, t.due_at,
    t.started_at, t.ended_at, t.pid, t.options, t.files, t.asking, t.retried,
    (SELECT d.ties FROM ties d WHERE d.seq = t.seq),
    EXISTS (SELECT 1 FROM output o WHERE o.seq = t.seq), EXISTS (SELECT 1 FROM progress p WHERE p.seq = t.seq)
FROM tasks t WHERE t.id = ?;

-- name: result
SELECT result FROM tasks WHERE seq = ?;

-- name: last_attempt
-- Lease 0 is the last word: the task was cancelled while it waited, maybe for another attempt. Number 0 is what became
-- of an error handler.
-- Picked from the end, since a task may have run a hundred thousand times.
SELECT lease, cause, type, message, traceback, stack FROM attempts WHERE seq = :seq AND lease = coalesce(
    (SELECT lease FROM attempts WHERE seq = :seq AND lease = 0),
    (SELECT lease FROM attempts WHERE seq = :seq AND cause != '' AND number > 0 ORDER BY lease DESC LIMIT 1),
    (SELECT lease FROM attempts WHERE seq = :seq AND cause != '' ORDER BY lease DESC LIMIT 1));

-- name: kill_asked_about
SELECT number, message, stack FROM attempts WHERE seq = ? AND number > 0 AND cause = ? ORDER BY lease DESC LIMIT 1;

-- name: attempts
-- The latest first; that which succeeded, from the task's own row, before all others.
SELECT lease, number, pid, started_at, ended_at, cause, type, message, traceback, stack FROM (
    SELECT lease, failures + crashes + aborts + 1 AS number, pid, started_at, ended_at, '' AS cause, '' AS type,
        '' AS message, '' AS traceback, NULL AS stack
    FROM tasks WHERE seq = :seq AND state = 'succeeded'
    UNION ALL
    SELECT * FROM (
        SELECT lease, number, pid, started_at, ended_at, cause, type, message, traceback, stack
        FROM attempts WHERE seq = :seq AND lease > 0 ORDER BY lease DESC LIMIT :most
    )
    UNION ALL
    SELECT lease, number, pid, started_at, ended_at, cause, type, message, traceback, stack
    FROM attempts WHERE seq = :seq AND lease <= 0  -- ends without a start: one for each time it was taken up again
) ORDER BY ended_at DESC, lease DESC LIMIT :most;

-- name: ended_before
-- The lease that runs the task now, or one that will never be.
SELECT CASE WHEN state = 'running' AND asking = '' THEN lease ELSE 1 << 62 END FROM tasks WHERE seq = ?;

-- name: output
SELECT text FROM output WHERE seq = ? AND lease BETWEEN ? AND ? ORDER BY lease, piece;

-- name: said
-- What was said behind a place, in its order.
SELECT o.lease, o.piece, o.at, o.text, m.marks
FROM output o LEFT JOIN marks m ON (m.seq, m.lease, m.piece) = (o.seq, o.lease, o.piece)
WHERE o.seq = ? AND (o.lease, o.piece) > (?, ?) ORDER BY o.lease, o.piece;

-- name: last_piece
SELECT max(piece) FROM output WHERE seq = ? AND lease = ?;

-- name: runs_now
-- The lease of the attempt that runs or has succeeded (else 0), and its number.
SELECT CASE WHEN state = 'succeeded' OR (state = 'running' AND asking = '') THEN lease ELSE 0 END,
    failures + crashes + aborts + 1 FROM tasks WHERE seq = ?;

-- name: attempt_of
-- The number of the attempt that an earlier lease belongs to; the question to its error handler is part of it.
SELECT number FROM attempts WHERE seq = ? AND number > 0 AND lease BETWEEN 1 AND ? ORDER BY lease DESC LIMIT 1;

-- name: stream
SELECT lease, count FROM streams WHERE seq = ?;

-- name: items
SELECT file, data FROM items WHERE seq = ? AND lease = ? AND number >= ? ORDER BY number LIMIT ?;

-- name: dead
SELECT ended_at, id, name FROM dead_letters WHERE (ended_at, id) < (?, ?) AND ended_at >= ?
ORDER BY ended_at DESC, id DESC LIMIT ?;

-- name: remainder
SELECT seq, id, state, ended_at, length(result) > 0 OR files & 2 != 0, files,
    CASE WHEN instr(options, '"store_result"') THEN 0
        WHEN instr(options, '"result_ttl"') THEN json_extract(options, '$.result_ttl') END
FROM tasks WHERE id = ?;

-- name: sweep
-- What may be due; whether it is, is for the retention to say. Columns behind a large payload are not touched.
SELECT seq, id, state, ended_at, kept, files, own FROM (
    SELECT seq, id, state, ended_at, length(result) > 0 OR files & 2 != 0 AS kept, files,
        CASE WHEN instr(options, '"store_result"') THEN 0
        WHEN instr(options, '"result_ttl"') THEN json_extract(options, '$.result_ttl') END AS own
    FROM tasks WHERE seq BETWEEN :first AND :last
)
WHERE ended_at <= :wall - CASE
    WHEN state IN ('failed', 'timed_out', 'lost') THEN :dead WHEN kept THEN coalesce(own, :result) ELSE :record END
ORDER BY seq LIMIT :most;

-- name: span
SELECT count(*), max(seq) FROM (SELECT seq FROM tasks WHERE seq > ? ORDER BY seq LIMIT ?);

-- name: keyed_between
SELECT seq, keys, created_at, started_at FROM tasks INDEXED BY tasks_keyed
WHERE keys != '' AND seq BETWEEN ? AND ?;

-- name: delete_task
DELETE FROM tasks WHERE seq = ?;

-- name: delete_attempts
DELETE FROM attempts WHERE seq = :seq AND lease IN (SELECT lease FROM attempts WHERE seq = :seq LIMIT :most);

-- name: delete_output
DELETE FROM output WHERE (seq, lease, piece) IN (SELECT seq, lease, piece FROM output WHERE seq = :seq LIMIT :most);

-- name: delete_marks
DELETE FROM marks WHERE (seq, lease, piece) IN (SELECT seq, lease, piece FROM marks WHERE seq = :seq LIMIT :most);

-- name: first_items
SELECT lease, number, file FROM items WHERE seq = ? ORDER BY lease, number LIMIT ?;

-- name: delete_items
DELETE FROM items WHERE seq = :seq AND (lease, number) <= (:lease, :number);

-- name: id_of
SELECT id FROM tasks WHERE seq = ?;

-- name: delete_progress
DELETE FROM progress WHERE (seq, lease) IN (SELECT seq, lease FROM progress WHERE seq = :seq LIMIT :most);

-- name: delete_profiles
DELETE FROM profiles WHERE (seq, lease) IN (SELECT seq, lease FROM profiles WHERE seq = :seq LIMIT :most);

-- name: delete_context
DELETE FROM contexts WHERE seq = ?;

-- name: delete_ties
DELETE FROM ties WHERE seq = ?;

-- name: delete_members
DELETE FROM members WHERE seq = ?;

-- name: drop_result
UPDATE tasks SET result = NULL, files = files & ~2 WHERE seq = ?;

-- name: count_dead
SELECT count(*) FROM dead_letters;

-- name: counts
SELECT state, count(*) FROM tasks GROUP BY state;

-- name: save_totals
INSERT OR REPLACE INTO totals (queue, name, at, counts) VALUES (?, ?, ?, ?);

-- name: delete_totals
DELETE FROM totals WHERE queue = ? AND name = ?;

-- name: totals
SELECT queue, name, counts FROM totals ORDER BY at DESC;

-- name: save_configured
INSERT OR REPLACE INTO configured (what, value) VALUES (?, ?);

-- name: delete_configured
DELETE FROM configured WHERE what = ?;

-- name: configured
SELECT what, value FROM configured;

-- name: insert_change
INSERT INTO changes (at, pid, uid, what, before, after) VALUES (?, ?, ?, ?, ?, ?);

-- name: forget_changes
-- The latest ten thousand are kept.
DELETE FROM changes WHERE number <= (SELECT max(number) FROM changes) - 10000;

-- name: changes
SELECT at, pid, uid, what, before, after FROM changes ORDER BY number DESC LIMIT ?;

-- name: list
SELECT seq, id, name, queue, state, priority, failures + crashes + aborts, created_at, due_at, started_at, ended_at
FROM tasks
WHERE seq < :before AND created_at >= :since AND (:states = '' OR instr(:states, ',' || state || ','))
    AND (:name = '' OR name GLOB :name) AND (:queue = '' OR queue = :queue)
ORDER BY seq DESC LIMIT :most;

-- name: find
-- Ids of one hour begin alike, so people write down how they end.
SELECT id FROM tasks WHERE lower(hex(id)) LIKE :digits || '%' OR lower(hex(id)) LIKE '%' || :digits LIMIT 2;
