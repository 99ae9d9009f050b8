-- The first that was passed over. By idx_tasks_status, through all that is pending: once, at the end.
SELECT created_at, id FROM tasks @by_status@
WHERE status = 'pending' AND rank <> @rank@
ORDER BY created_at, id LIMIT 1
