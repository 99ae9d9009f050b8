-- One new schedule.
INSERT INTO task_schedules (
    id, project, cron, every_ms, zone, anchor_at, catch_up, template, paused, next_at, last_at, last_task, created_at,
    updated_at, revision)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
