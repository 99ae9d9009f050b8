-- By idx_task_limits_dirty and idx_tasks_not_before.
SELECT name FROM task_limits WHERE dirty = 1
UNION
SELECT concurrency_key FROM tasks @by_not_before@
WHERE status = 'pending' AND open_dependencies = 0 AND not_before <= @now@ AND concurrency_key IS NOT NULL
LIMIT 64
