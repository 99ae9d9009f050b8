-- Completed in the last hour and day. By idx_tasks_status.
SELECT
    coalesce(sum(CASE WHEN completed_at > @now@ - 3600000 THEN 1 ELSE 0 END), 0),
    coalesce(sum(CASE WHEN completed_at > @now@ - 86400000 THEN 1 ELSE 0 END), 0)
FROM tasks WHERE status = 'completed' AND project = coalesce(?2, project)
