-- What may be claimed, but is not among the first that have a slot. By idx_tasks_slots.
UPDATE tasks SET ready = 0
WHERE concurrency_key = ?1 AND status = 'pending' AND ready = 1 AND id NOT IN (
    SELECT id FROM tasks
    WHERE concurrency_key = ?1 AND status = 'pending' AND open_dependencies = 0 AND not_before IS NULL
    ORDER BY rank, id LIMIT @free_slots@)
