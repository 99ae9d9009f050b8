-- Who still waits for a task. By idx_task_dependencies_on.
SELECT d.task_id FROM task_dependencies d CROSS JOIN tasks t
WHERE t.id = d.task_id AND d.depends_on = ?1 AND d.open = 1 AND t.status = 'pending' ORDER BY d.task_id LIMIT 10
