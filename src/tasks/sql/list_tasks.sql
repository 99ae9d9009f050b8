-- The head of a list; conditions and order follow. Without a condition: idx_tasks_created; by status: idx_tasks_status;
-- by project: idx_tasks_project.
SELECT id, project, title, description, command, input, priority, status, assigned_to, result, error, exit_code, logs,
    retry_count, metadata, created_at, started_at, completed_at, updated_at, revision
FROM tasks
