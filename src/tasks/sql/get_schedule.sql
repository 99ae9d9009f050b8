-- By the primary key.
SELECT id, project, cron, every_ms, zone, anchor_at, catch_up, template, paused, next_at, last_at, last_task, created_at,
    updated_at, revision
FROM task_schedules WHERE id = ?1
