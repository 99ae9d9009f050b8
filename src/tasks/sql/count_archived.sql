-- Through idx_archived_tasks_project, or the part of it that is one project's (?1).
SELECT count(*) FROM archived_tasks WHERE project = coalesce(?1, project)
