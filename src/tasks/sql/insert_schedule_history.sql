-- What was done to a schedule, or by it.
INSERT INTO task_schedule_history (schedule_id, revision, verb, actor, at, tick, task_id, reason)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
