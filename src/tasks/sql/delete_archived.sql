-- By the primary key.
DELETE FROM archived_tasks WHERE id = ?1
