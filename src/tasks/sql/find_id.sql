-- By the primary key.
SELECT id FROM tasks WHERE id = ?1
