-- By the primary key.
SELECT requested_by, reason FROM task_cancels WHERE task_id = ?1 AND fence = ?2
