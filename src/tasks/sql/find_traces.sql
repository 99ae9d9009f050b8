-- Whether a task is there, and whether it ever was. By the primary key and idx_task_history_task.
SELECT
    (SELECT count(*) FROM tasks WHERE id = ?1),
    (SELECT count(*) FROM (SELECT 1 FROM task_history WHERE task_id = ?1 LIMIT 1) h)
