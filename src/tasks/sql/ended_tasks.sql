-- Tasks of the status ?3 that were made by ?2, in the order in which they were made, and whether they ended by then (1)
-- and may go (2). By idx_tasks_status.
SELECT id, revision, created_at,
    CASE WHEN completed_at <= ?2 THEN CASE WHEN @may_go@ THEN 2 ELSE 1 END ELSE 0 END
FROM tasks @by_status@
WHERE status = ?3 AND created_at <= ?2 AND (created_at, id) > (?4, ?5) AND project = coalesce(?6, project)
ORDER BY created_at, id LIMIT ?7
