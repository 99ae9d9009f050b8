-- When a time comes at which the store has something to do. By idx_tasks_not_before, idx_tasks_lease, idx_tasks_deadline,
-- idx_task_schedules_next.
SELECT min(at) FROM (
    SELECT min(not_before) AS at FROM tasks @by_not_before@
    WHERE status = 'pending' AND open_dependencies = 0 AND not_before IS NOT NULL
    UNION ALL SELECT min(lease_expires_at) FROM tasks @by_lease@ WHERE status = 'in_progress'
    UNION ALL SELECT min(deadline) FROM tasks @by_deadline@
    WHERE status = 'pending' AND deadline IS NOT NULL
    UNION ALL SELECT min(next_at) FROM task_schedules) times
