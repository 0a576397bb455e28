-- name: insert_task
INSERT OR IGNORE INTO tasks (seq, id, name, state, priority, generation, lease, worker, pid, failures, crashes, aborts,
    files, created_at, due_at, started_at, ended_at, options, payload, result, queue, expires_at, keys)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: lease_task
UPDATE tasks SET state = 'running', lease = ?, worker = ?, pid = ?, started_at = ?, due_at = NULL,
    failures = ?, crashes = ?, aborts = ? WHERE seq = ?;

-- name: move_task
UPDATE tasks SET state = ?, due_at = ?, priority = ?, failures = ?, crashes = ?, aborts = ? WHERE seq = ?;

-- name: end_task
UPDATE tasks SET state = ?, ended_at = ?, due_at = NULL, failures = ?, crashes = ?, aborts = ?, files = ?, result = ?
WHERE seq = ?;

-- name: insert_attempt
INSERT OR REPLACE INTO attempts (seq, lease, number, worker, pid, started_at, ended_at, cause, type, message, traceback, stack)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- name: insert_output
INSERT OR REPLACE INTO output (seq, lease, piece, at, text) VALUES (?, ?, ?, ?, ?);

-- name: save_progress
INSERT OR REPLACE INTO progress (seq, done, total, message) VALUES (?, ?, ?, ?);

-- name: unfinished
SELECT seq, id, name, state, generation, lease, worker, pid, failures, crashes, aborts, files, created_at, due_at,
    started_at, priority, expires_at, keys, options
FROM tasks INDEXED BY tasks_unfinished WHERE ended_at IS NULL ORDER BY seq;

-- name: save_queue
INSERT OR REPLACE INTO queues (name, weight, paused) VALUES (?, ?, ?);

-- name: queues
SELECT name, weight, paused FROM queues;

-- name: keyed
SELECT id, keys, created_at, started_at FROM tasks WHERE keys != '';

-- name: highest
SELECT coalesce(max(seq), 0), coalesce((SELECT max(lease) FROM tasks), 0) FROM tasks;

-- name: payloads
SELECT seq, payload FROM tasks WHERE seq BETWEEN ? AND ? AND ended_at IS NULL;

-- name: seq_of
SELECT seq, state FROM tasks WHERE id = ?;

-- name: task
SELECT t.seq, t.id, t.name, t.state, t.priority, t.failures + t.crashes + t.aborts, t.lease, t.created_at, t.due_at,
    t.started_at, t.ended_at, t.pid, t.options, t.files, p.done, p.total, p.message
FROM tasks t LEFT JOIN progress p ON p.seq = t.seq WHERE t.id = ?;

-- name: result
SELECT result FROM tasks WHERE seq = ?;

-- name: last_attempt
-- Lease 0 is the last word: the task was cancelled while it waited, maybe for another attempt.
SELECT lease, cause, type, message, traceback, stack FROM attempts WHERE seq = ?
ORDER BY lease = 0 DESC, lease DESC LIMIT 1;

-- name: output
SELECT text FROM output WHERE seq = ? AND lease = ? ORDER BY piece;

-- name: sweep
SELECT seq, id, ended_at, result IS NOT NULL, files FROM tasks WHERE seq > ? ORDER BY seq LIMIT ?;

-- name: delete_task
DELETE FROM tasks WHERE seq = ?;

-- name: delete_attempts
DELETE FROM attempts WHERE seq = ?;

-- name: delete_output
DELETE FROM output WHERE seq = ?;

-- name: delete_progress
DELETE FROM progress WHERE seq = ?;

-- name: drop_result
UPDATE tasks SET result = NULL, files = files & ~2 WHERE seq = ?;

-- name: counts
SELECT state, count(*) FROM tasks GROUP BY state;
