-- After a completion that drew ?2: nobody waits for the task any more. By idx_task_dependencies_on.
UPDATE task_dependencies SET open = 0
WHERE depends_on = ?1 AND open = 1 AND EXISTS (SELECT 1 FROM tasks p WHERE p.id = ?1 AND p.last_write = ?2)
