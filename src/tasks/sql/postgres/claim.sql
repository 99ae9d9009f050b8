-- Of each lane that the worker serves the first ones that nobody else is about to claim, of those the first: by
-- idx_tasks_rank, one range per lane. An array, because a subquery may run again for each row.
UPDATE tasks SET
    @claimed@
WHERE id = ANY (ARRAY(
    SELECT f.id FROM task_lanes l CROSS JOIN LATERAL (
        SELECT b.id, b.rank FROM tasks b
        WHERE b.ready = 1 AND b.lane = l.id AND (b.deadline IS NULL OR b.deadline > @now@)
            AND (?9 = 0 OR b.command IS NOT NULL)
        ORDER BY b.rank, b.id LIMIT ?7 FOR UPDATE SKIP LOCKED) f
    WHERE @lane_is_served@
    ORDER BY f.rank, f.id LIMIT ?7))
RETURNING @columns@, rank
