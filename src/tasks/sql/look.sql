-- Whether the store itself has something to do, and what time it is: leases that ran out, deadlines that passed, keys to settle,
-- schedules that tick; then whether ranks are; and last, whether promote_due.sql has. By
-- idx_tasks_lease, idx_tasks_deadline, idx_tasks_not_before, idx_task_limits_dirty, idx_task_schedules_next.
SELECT CASE WHEN
    EXISTS (SELECT 1 FROM tasks @by_lease@ WHERE status = 'in_progress' AND lease_expires_at <= @now@)
    OR EXISTS (SELECT 1 FROM tasks @by_deadline@ WHERE status = 'pending' AND deadline <= @now@)
    OR EXISTS (SELECT 1 FROM tasks @by_not_before@ WHERE status = 'pending' AND open_dependencies = 0 AND not_before <= @now@
        AND concurrency_key IS NOT NULL)
    OR EXISTS (SELECT 1 FROM task_limits WHERE dirty = 1)
    OR EXISTS (SELECT 1 FROM task_schedules WHERE next_at <= @now@)
    THEN 1 ELSE 0 END, @now@, (SELECT stale FROM task_ageing WHERE id = 1),
    CASE WHEN EXISTS (SELECT 1 FROM tasks @by_not_before@ WHERE status = 'pending' AND open_dependencies = 0 AND not_before <= @now@
        AND concurrency_key IS NULL) THEN 1 ELSE 0 END
