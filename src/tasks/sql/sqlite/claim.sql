-- Of each lane that the worker serves the first ones, of those the first: by idx_tasks_rank, one range per lane.
UPDATE tasks SET
    @claimed@
WHERE id IN (
    SELECT c.id FROM task_lanes l JOIN tasks c ON c.id IN (
        SELECT b.id FROM tasks b WHERE b.ready = 1 AND b.lane = l.id AND (b.deadline IS NULL OR b.deadline > @now@)
            AND (?9 = 0 OR b.command IS NOT NULL)
        ORDER BY b.rank, b.id LIMIT ?7)
    WHERE @lane_is_served@
    ORDER BY c.rank, c.id LIMIT ?7)
RETURNING @columns@, rank
