-- What a task that was just inserted had come to in the system that it comes from. By the primary key.
UPDATE tasks SET
    status = ?2, ready = CASE WHEN ?2 = 'pending' THEN ready ELSE 0 END, assigned_to = ?3, retry_count = ?4,
    result = ?5, error = ?6, exit_code = ?7, logs = ?8, started_at = ?9, completed_at = ?10, dead_at = ?11,
    updated_at = ?12, revision = ?13
WHERE id = ?1
