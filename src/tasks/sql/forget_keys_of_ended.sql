-- Of tasks that drew ?2. By idx_task_keys_task.
DELETE FROM task_keys WHERE task_id IN (SELECT id FROM tasks WHERE id IN (@ids@) AND last_write = ?2)
