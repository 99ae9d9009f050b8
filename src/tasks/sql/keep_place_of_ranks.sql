-- Unless it was set anew meanwhile. By the primary key.
UPDATE task_ageing SET stale = ?2, next_created_at = ?3, next_id = ?4 WHERE id = 1 AND change = ?1
