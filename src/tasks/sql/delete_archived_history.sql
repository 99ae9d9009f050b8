-- By the primary key.
DELETE FROM archived_task_history WHERE task_id = ?1
