-- Of tasks that drew ?2. By the primary key.
DELETE FROM task_dependencies WHERE task_id IN (SELECT id FROM tasks WHERE id IN (@ids@) AND last_write = ?2)
