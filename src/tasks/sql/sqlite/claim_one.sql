-- As claim.sql, of one task: without lists the statement takes half the time. Of each lane the first one, of those the first: by
-- idx_tasks_rank, one look per lane.
UPDATE tasks SET
    @claimed@
WHERE id = (
    SELECT c.id FROM task_lanes l JOIN tasks c ON c.id = (
        SELECT b.id FROM tasks b WHERE b.ready = 1 AND b.lane = l.id AND (b.deadline IS NULL OR b.deadline > @now@)
            AND (?9 = 0 OR b.command IS NOT NULL)
        ORDER BY b.rank, b.id LIMIT 1)
    WHERE @lane_is_served@
    ORDER BY c.rank, c.id LIMIT 1)
RETURNING @columns@, rank
