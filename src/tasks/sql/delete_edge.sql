-- That ?1, if what drew ?3 wrote it, waits for ?2 no more. By the primary keys.
DELETE FROM task_dependencies WHERE task_id = ?1 AND depends_on = ?2
    AND EXISTS (SELECT 1 FROM tasks t WHERE t.id = ?1 AND t.last_write = ?3)
