-- Where the page ends that begins at (?1, ?2). By idx_tasks_status.
SELECT created_at, id FROM tasks @by_status@
WHERE status = 'pending' AND (created_at, id) >= (?1, ?2)
ORDER BY created_at, id LIMIT 1 OFFSET 500
