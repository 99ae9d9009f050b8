-- By the primary key.
INSERT INTO task_clock (id, boot_id, offset_ms) VALUES (1, ?1, ?2)
ON CONFLICT (id) DO UPDATE SET boot_id = excluded.boot_id, offset_ms = excluded.offset_ms
