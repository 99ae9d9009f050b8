-- By idx_task_keys_task.
DELETE FROM task_keys WHERE task_id = ?1
