-- Of each lane that the worker serves the first ones that nobody else is about to claim, of those the first: by
-- idx_tasks_rank, one range per lane. An array, because a subquery may run again for each row.
UPDATE tasks SET
    status = 'in_progress', ready = 0, assigned_to = ?4, @next_fence@, started_at = @now@, liveness = ?8,
    lease_expires_at = @now@ + coalesce(?5, lease_ms), updated_at = @now@, revision = revision + 1, last_write = ?6
WHERE id = ANY (ARRAY(
    SELECT f.id FROM task_lanes l CROSS JOIN LATERAL (
        SELECT b.id, b.rank FROM tasks b
        WHERE b.ready = 1 AND b.lane = l.id AND (b.deadline IS NULL OR b.deadline > @now@)
            AND (?9 = 0 OR b.command IS NOT NULL)
        ORDER BY b.rank, b.id LIMIT ?7 FOR UPDATE SKIP LOCKED) f
    WHERE @lane_is_served@
    ORDER BY f.rank, f.id LIMIT ?7))
RETURNING @columns@, rank
