-- After close_edges_anyway: the keys of the task, and of those that depend on what ended. By idx_task_dependencies_on.
UPDATE task_limits SET dirty = 1
WHERE dirty = 0 AND name IN (
    SELECT t.concurrency_key FROM tasks t
    WHERE t.id = ?1 AND t.last_write = ?2 AND t.concurrency_key IS NOT NULL
    UNION ALL
    SELECT t.concurrency_key FROM task_dependencies d CROSS JOIN tasks t
    WHERE t.id = d.task_id AND d.depends_on IN (@ended@ SELECT id FROM ended) AND t.concurrency_key IS NOT NULL AND t.status = 'pending')
