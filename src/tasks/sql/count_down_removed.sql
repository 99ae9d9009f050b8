-- Before the task goes: those that have ended and would wait for it if somebody tried them again. By
-- idx_task_dependencies_on.
UPDATE tasks SET open_dependencies = open_dependencies - 1
WHERE id IN (SELECT d.task_id FROM task_dependencies d WHERE d.depends_on = ?1 AND d.open = 1)
