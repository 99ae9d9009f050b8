-- One task of the archive, by its primary key.
SELECT @columns@, archived_at
FROM archived_tasks WHERE id = ?1
