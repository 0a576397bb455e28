-- name: bound_tasks
-- Where a window of rows ends, and how many it has: numbers of tasks have gaps where some were deleted.
SELECT min(seq), count(*) FROM (
    SELECT seq FROM tasks WHERE seq < :before AND seq >= :floor ORDER BY seq DESC LIMIT :window);

-- name: bound_ties
SELECT min(seq), count(*) FROM (
    SELECT seq FROM ties WHERE seq < :before AND seq >= :floor ORDER BY seq DESC LIMIT :window);

-- name: bound_open
-- Blocks of 1,024 numbers that hold unfinished tasks.
SELECT min(block) << 10, count(*) << 10 FROM (
    SELECT block FROM open_blocks WHERE block << 10 < :before AND (block << 10) + 1023 >= :floor
    ORDER BY block DESC LIMIT :window >> 10);

-- name: page
SELECT seq, id, name, queue, state, priority, failures + crashes + aborts, created_at, due_at, started_at, ended_at
FROM tasks
WHERE seq < :before AND seq >= :low
    AND (:states = '' OR instr(:states, ',' || state || ',')) AND (:queue = '' OR queue = :queue)
    AND created_at BETWEEN :since AND :until
    AND (:name = '' OR is_named(name))
    AND (:search = '' OR instr(lower(name), :search) OR instr(lower(hex(id)), :digits)
        OR (failures + crashes + aborts > 0 OR state IN ('failed', 'timed_out', 'lost', 'cancelled')) AND EXISTS (
            SELECT 1 FROM attempts a WHERE a.seq = tasks.seq
                AND (instr(lower(a.message), :search) OR instr(lower(a.type), :search))))
    AND (:parent IS NULL OR EXISTS (SELECT 1 FROM ties d WHERE d.seq = tasks.seq AND instr(d.ties, :parent)))
ORDER BY seq DESC LIMIT :most;

-- name: page_open
-- The same of blocks that hold unfinished tasks, since between those there may be a million that have ended.
SELECT tasks.seq, id, name, queue, state, priority, failures + crashes + aborts, created_at, due_at, started_at, ended_at
FROM open_blocks CROSS JOIN tasks ON tasks.seq BETWEEN block << 10 AND (block << 10) + 1023
WHERE block BETWEEN :low >> 10 AND (:before - 1) >> 10
    AND tasks.seq < :before AND tasks.seq >= :low
    AND instr(:states, ',' || state || ',') AND (:queue = '' OR queue = :queue)
    AND created_at BETWEEN :since AND :until
    AND (:name = '' OR is_named(name))
    AND (:search = '' OR instr(lower(name), :search) OR instr(lower(hex(id)), :digits)
        OR failures + crashes + aborts > 0 AND EXISTS (
            SELECT 1 FROM attempts a WHERE a.seq = tasks.seq
                AND (instr(lower(a.message), :search) OR instr(lower(a.type), :search))))
    AND (:parent IS NULL OR EXISTS (SELECT 1 FROM ties d WHERE d.seq = tasks.seq AND instr(d.ties, :parent)))
ORDER BY block DESC, tasks.seq DESC LIMIT :most;

-- name: id_between
SELECT id FROM tasks WHERE id BETWEEN ? AND ? LIMIT 2;

-- name: id_ending
SELECT id FROM tasks WHERE seq < :before AND seq >= :low AND lower(hex(id)) LIKE '%' || :digits LIMIT 2;

-- name: first_since
-- Ids are ordered by the time at which they were made, but for those of slots that were made up for.
SELECT min(seq) FROM (SELECT seq FROM tasks WHERE id >= ? ORDER BY id LIMIT 256);

-- name: last_until
SELECT max(seq) FROM (SELECT seq FROM tasks WHERE id <= ? ORDER BY id DESC LIMIT 256);

-- name: time_of
SELECT created_at FROM tasks WHERE seq >= ? ORDER BY seq LIMIT 1;

-- name: dead_task
SELECT t.seq, t.queue, t.state, t.failures + t.crashes + t.aborts, t.created_at, t.ended_at, a.cause, a.type, a.message
FROM tasks t LEFT JOIN attempts a ON a.seq = t.seq AND a.lease = coalesce(
    (SELECT lease FROM attempts WHERE seq = t.seq AND cause != '' AND number > 0 ORDER BY lease DESC LIMIT 1),
    (SELECT lease FROM attempts WHERE seq = t.seq AND cause != '' ORDER BY lease DESC LIMIT 1))
WHERE t.id = ?;

-- name: is_dead
SELECT EXISTS (SELECT 1 FROM tasks t JOIN dead_letters d ON (d.ended_at, d.id) = (t.ended_at, t.id) WHERE t.id = ?);

-- name: deaths
-- Attempts whose process was killed, or died by itself.
SELECT a.seq, a.pid, a.ended_at, a.cause, a.message, t.id, t.name, a.number, a.ended_at - a.started_at
FROM attempts a JOIN tasks t ON t.seq = a.seq
WHERE a.seq < :before AND a.seq >= :low AND a.cause IN ('timeout', 'signal', 'exit', 'memory', 'abort') AND a.pid > 0
ORDER BY a.seq DESC, a.lease DESC LIMIT :most;

-- name: bound_attempts
SELECT min(seq), count(*) FROM (
    SELECT seq FROM attempts WHERE seq < :before AND seq >= :floor ORDER BY seq DESC LIMIT :window);

-- name: node
SELECT seq, name, state FROM tasks WHERE id = ?;

-- name: children
SELECT t.id, t.name, t.state, t.seq FROM (
    SELECT seq, ties FROM ties WHERE seq > :seq ORDER BY seq LIMIT :window
) d JOIN tasks t ON t.seq = d.seq WHERE instr(d.ties, :id) LIMIT :most;

-- name: ties_behind
-- How many were searched by the statement before this.
SELECT count(*) FROM (SELECT 1 FROM ties WHERE seq > :seq ORDER BY seq LIMIT :window);

-- name: newest
SELECT coalesce(max(seq), 0) FROM tasks;

-- name: unfinished
-- How many wait and run, as far as those are few enough to be counted in passing.
SELECT state, count(*) FROM (
    SELECT state FROM open_blocks CROSS JOIN tasks ON tasks.seq BETWEEN block << 10 AND (block << 10) + 1023
    WHERE ended_at IS NULL LIMIT :most
) GROUP BY state;
