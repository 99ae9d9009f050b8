-- By the primary key.
SELECT ageing_ms, change, stale, next_created_at, next_id FROM task_ageing WHERE id = 1
