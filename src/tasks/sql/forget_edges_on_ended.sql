-- Of tasks that drew ?2. By idx_task_dependencies_on.
DELETE FROM task_dependencies WHERE depends_on IN (SELECT id FROM tasks WHERE id IN (@ids@) AND last_write = ?2)
