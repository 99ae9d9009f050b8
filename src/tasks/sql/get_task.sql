-- One task, by its primary key. The columns are those of every query that answers tasks.
SELECT id, project, title, description, command, input, priority, status, assigned_to, result, error, exit_code, logs,
    retry_count, metadata, created_at, started_at, completed_at, updated_at, revision
FROM tasks WHERE id = ?1
