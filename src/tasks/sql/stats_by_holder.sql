-- By idx_tasks_held.
SELECT assigned_to, count(*) FROM tasks WHERE status = 'in_progress' AND project = coalesce(?1, project)
GROUP BY assigned_to ORDER BY assigned_to
