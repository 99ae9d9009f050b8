-- A task that runs anyway, by what drew ?2, waits no more for what has failed or was cancelled. By the primary keys.
UPDATE task_dependencies SET open = 0
WHERE task_id = ?1 AND open = 1
    AND EXISTS (SELECT 1 FROM tasks t WHERE t.id = ?1 AND t.last_write = ?2 AND t.on_failed_dependency = 'run')
    AND EXISTS (SELECT 1 FROM tasks p WHERE p.id = task_dependencies.depends_on AND p.status IN ('failed', 'cancelled'))
