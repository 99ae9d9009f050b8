-- After the commit of what drew ?2, where mark_limits found keys marked already: whoever settled them at that moment did
-- not see this transaction, and has taken the mark away; this waits for him. By idx_task_dependencies_on.
UPDATE task_limits SET dirty = 1
WHERE name IN (
    SELECT t.concurrency_key FROM tasks t
    WHERE t.id = ?1 AND t.concurrency_key IS NOT NULL
    UNION ALL
    SELECT t.concurrency_key FROM task_dependencies d CROSS JOIN tasks t
    WHERE t.id = d.task_id AND d.depends_on IN (@ended@ SELECT id FROM ended) AND t.concurrency_key IS NOT NULL AND t.status = 'pending')
