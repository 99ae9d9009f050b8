-- What was done to a schedule and by it, in order. By the primary key.
SELECT revision, verb, actor, at, tick, task_id, reason FROM task_schedule_history WHERE schedule_id = ?1 ORDER BY revision
