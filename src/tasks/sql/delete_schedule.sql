-- By the primary key.
DELETE FROM task_schedules WHERE id = ?1 AND revision = ?2
