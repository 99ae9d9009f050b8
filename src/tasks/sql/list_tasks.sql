-- The head of a list; conditions and order follow. Without a condition: idx_tasks_created; by status: idx_tasks_status;
-- by project: idx_tasks_project.
SELECT @columns@, rank
FROM tasks
