-- Tasks of a key whose time has come. By idx_tasks_slots.
UPDATE tasks SET not_before = NULL
WHERE concurrency_key = ?2 AND status = 'pending' AND open_dependencies = 0 AND not_before <= @now@
