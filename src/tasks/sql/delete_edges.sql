-- By the primary key and by idx_task_dependencies_on.
DELETE FROM task_dependencies WHERE task_id = ?1 OR depends_on = ?1
