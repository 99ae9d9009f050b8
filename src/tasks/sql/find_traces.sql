-- Whether a task is there, and whether it ever was. By the primary key and idx_task_history_task.
SELECT
    (SELECT count(*) FROM tasks WHERE id = ?1),
    (SELECT count(*) FROM task_history WHERE task_id = ?1 AND revision = 1)
