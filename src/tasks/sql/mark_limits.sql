-- After a transition that drew ?2: the keys of the task and of those that depend on it are to be settled. By the primary
-- keys and idx_task_dependencies_on. Mostly there are no keys, and one look says so.
UPDATE task_limits SET dirty = 1
WHERE dirty = 0 AND EXISTS (SELECT 1 FROM task_limits WHERE dirty = 0) AND name IN (
    SELECT t.concurrency_key FROM tasks t
    WHERE t.id = ?1 AND t.last_write = ?2 AND t.concurrency_key IS NOT NULL
    UNION ALL
    SELECT t.concurrency_key FROM task_dependencies d CROSS JOIN tasks t
    WHERE t.id = d.task_id AND d.depends_on = ?1 AND t.concurrency_key IS NOT NULL AND t.status = 'pending')
