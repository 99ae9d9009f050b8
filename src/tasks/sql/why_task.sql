-- What keeps a task from being claimed. By the primary key.
SELECT ready, @now@,
    (SELECT slots FROM task_limits WHERE name = concurrency_key),
    (SELECT count(*) FROM tasks h WHERE h.concurrency_key = tasks.concurrency_key AND h.status = 'in_progress'),
    (SELECT count(*) FROM tasks b WHERE b.ready = 1 AND b.lane = tasks.lane AND b.rank < tasks.rank),
    (SELECT ageing_ms FROM task_ageing WHERE id = 1)
FROM tasks WHERE id = ?2
