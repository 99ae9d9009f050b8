-- Whether there is a task that the worker may claim. By idx_tasks_rank, one range per lane.
SELECT 1 FROM task_lanes l
WHERE @lane_is_served@ AND EXISTS (
    SELECT 1 FROM tasks b WHERE b.ready = 1 AND b.lane = l.id AND (b.deadline IS NULL OR b.deadline > @now@)
        AND (?4 = 0 OR b.command IS NOT NULL))
LIMIT 1
