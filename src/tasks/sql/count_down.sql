-- Before close_edges: those that wait for the task count one less; a task with a concurrency key is settled by its key.
-- By idx_task_dependencies_on.
UPDATE tasks SET
    open_dependencies = open_dependencies - 1,
    ready = CASE WHEN open_dependencies = 1 AND status = 'pending' AND not_before IS NULL AND concurrency_key IS NULL
        THEN 1 ELSE 0 END
WHERE id IN (
    SELECT d.task_id FROM task_dependencies d
    WHERE d.depends_on = ?1 AND d.open = 1
        AND EXISTS (SELECT 1 FROM tasks p WHERE p.id = ?1 AND p.last_write = ?2))
