-- The head of a list of the archive; conditions and order follow. Without a condition: idx_archived_tasks_created; by
-- project: idx_archived_tasks_project.
SELECT @columns@, archived_at
FROM archived_tasks
