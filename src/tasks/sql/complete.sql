-- By the primary key; ?7 is the fence, or null for whoever holds it. The last column is 0 where nobody waits for the task or for
-- its slot.
UPDATE @or_fail@tasks SET
    status = 'completed', result = ?4, exit_code = ?5, logs = coalesce(?6, logs), error = NULL, error_class = NULL,
    lease_expires_at = NULL, liveness = NULL, cancel_requested_at = NULL, completed_at = @now@, updated_at = @now@,
    revision = revision + 1, last_write = ?3
WHERE id = ?2 AND status = 'in_progress' AND fence = coalesce(?7, fence)
RETURNING @columns@@concerns_others@
