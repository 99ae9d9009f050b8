-- By the primary key. A lease never gets shorter; nobody renews what is to be cancelled.
UPDATE tasks SET
    lease_expires_at = CASE WHEN lease_expires_at > @now@ + coalesce(?4, lease_ms) THEN lease_expires_at
        ELSE @now@ + coalesce(?4, lease_ms) END
WHERE id = ?2 AND status = 'in_progress' AND fence = coalesce(?3, fence) AND cancel_requested_at IS NULL
RETURNING @columns@
