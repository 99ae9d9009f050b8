-- By the primary key.
DELETE FROM tasks WHERE id = ?1
