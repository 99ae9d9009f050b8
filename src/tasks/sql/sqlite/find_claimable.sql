-- What claim_one.sql finds, with the time and the epoch of its claim. Without a LIMIT: with one SQLite would make a table for it.
SELECT @now@, @epoch@, c.id FROM task_lanes l JOIN tasks c ON c.id = (
    SELECT b.id FROM tasks b WHERE b.ready = 1 AND b.lane = l.id AND (b.deadline IS NULL OR b.deadline > @now@)
        AND (?9 = 0 OR b.command IS NOT NULL)
    ORDER BY b.rank, b.id LIMIT 1)
WHERE @lane_is_served@
ORDER BY c.rank, c.id
