-- Held longer than their leases, and pending longer than their deadlines, a bounded number. By idx_tasks_lease and
-- idx_tasks_deadline.
SELECT @columns@
FROM tasks WHERE id IN (SELECT id FROM tasks @by_lease@ WHERE status = 'in_progress' AND lease_expires_at <= @now@
    ORDER BY lease_expires_at, id LIMIT 64)
UNION ALL
SELECT @columns@
FROM tasks WHERE id IN (SELECT id FROM tasks @by_deadline@
    WHERE status = 'pending' AND deadline <= @now@ ORDER BY deadline, id LIMIT 64)
