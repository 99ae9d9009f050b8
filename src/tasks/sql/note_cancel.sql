-- Who asked first that the claim be cancelled. By the primary key.
INSERT INTO task_cancels (task_id, fence, requested_by, reason)
SELECT id, fence, ?3, ?4 FROM tasks
WHERE id = ?1 AND revision - 1 = ?2 AND status = 'in_progress' AND cancel_requested_at IS NOT NULL
ON CONFLICT (task_id) DO UPDATE SET fence = excluded.fence, requested_by = excluded.requested_by, reason = excluded.reason
WHERE task_cancels.fence <> excluded.fence
