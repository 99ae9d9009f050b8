-- One task, by its primary key.
SELECT @columns@
FROM tasks WHERE id = ?1
