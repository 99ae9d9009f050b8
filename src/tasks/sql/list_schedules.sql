-- All, or those of one project (?1). A device has few: no index but the primary key.
SELECT id, project, cron, every_ms, zone, anchor_at, catch_up, template, paused, next_at, last_at, last_task, created_at,
    updated_at, revision
FROM task_schedules WHERE project = coalesce(?1, project) ORDER BY created_at, id
