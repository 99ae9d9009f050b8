-- By the primary key.
SELECT boot_id, offset_ms FROM task_clock WHERE id = 1
