-- Tasks that were made by ?1, of one project (?2) or of all, after a place in their order. By idx_tasks_created.
SELECT id, created_at FROM tasks
WHERE created_at <= ?1 AND project = coalesce(?2, project) AND (created_at, id) > (?3, ?4)
ORDER BY created_at, id LIMIT ?5
