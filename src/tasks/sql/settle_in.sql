-- The first that have a slot may be claimed. By idx_tasks_slots; coalesce, so that SQLite does not go by the
-- status.
UPDATE tasks SET ready = 1
WHERE ready = 0 AND coalesce(status, '') = 'pending' AND open_dependencies = 0 AND not_before IS NULL AND id IN (
    SELECT id FROM tasks
    WHERE concurrency_key = ?1 AND status = 'pending' AND open_dependencies = 0 AND not_before IS NULL
    ORDER BY rank, id LIMIT @free_slots@)
