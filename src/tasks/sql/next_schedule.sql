-- What time it is, and when the next tick comes. By idx_task_schedules_next.
SELECT @now@, (SELECT min(next_at) FROM task_schedules)
