-- A schedule as it is from now on, if it still has the revision (?15) and the next tick (?16) that it was read with. By
-- the primary key.
UPDATE task_schedules SET project = ?2, cron = ?3, every_ms = ?4, zone = ?5, anchor_at = ?6, catch_up = ?7, template = ?8,
    paused = ?9, next_at = ?10, last_at = ?11, last_task = ?12, updated_at = ?13, revision = ?14
WHERE id = ?1 AND revision = ?15 AND coalesce(next_at, CAST(-1 AS BIGINT)) = coalesce(?16, CAST(-1 AS BIGINT))
