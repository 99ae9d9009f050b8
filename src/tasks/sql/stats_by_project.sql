-- By idx_tasks_project.
SELECT project, status, count(*) FROM tasks WHERE project = coalesce(?1, project) GROUP BY project, status
ORDER BY project, status
