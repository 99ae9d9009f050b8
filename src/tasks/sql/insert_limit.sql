-- By the primary key: the last word about a key's slots holds.
INSERT INTO task_limits (name, slots, dirty) VALUES (?1, ?2, 1)
ON CONFLICT (name) DO UPDATE SET slots = excluded.slots, dirty = 1
