-- By idx_tasks_status, or by idx_tasks_project for one project (?1).
SELECT status, count(*), min(created_at) FROM tasks WHERE project = coalesce(?1, project) GROUP BY status
