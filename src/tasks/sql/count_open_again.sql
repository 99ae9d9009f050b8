-- After a change of what ?1 waits for, by what drew ?3; ?2 = 1: nothing else keeps it from being claimed. By the primary
-- keys.
UPDATE tasks SET
    open_dependencies = (SELECT count(*) FROM task_dependencies d WHERE d.task_id = ?1 AND d.open = 1),
    ready = CASE WHEN ?2 = 1 AND status = 'pending'
        AND NOT EXISTS (SELECT 1 FROM task_dependencies d WHERE d.task_id = ?1 AND d.open = 1) THEN 1 ELSE 0 END
WHERE id = ?1 AND last_write = ?3
RETURNING @columns@
