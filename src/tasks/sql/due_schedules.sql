-- Schedules with a tick that has come, and what time it is. By idx_task_schedules_next.
SELECT id, project, cron, every_ms, zone, anchor_at, catch_up, template, paused, next_at, last_at, last_task, created_at,
    updated_at, revision, @now@
FROM task_schedules WHERE next_at <= @now@ ORDER BY next_at, id LIMIT 32
