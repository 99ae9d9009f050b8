-- The last word about a key's slots, if ?3 was written by what drew ?4. By the primary keys.
INSERT INTO task_limits (name, slots, dirty) SELECT ?1, ?2, 1 FROM tasks WHERE id = ?3 AND last_write = ?4
ON CONFLICT (name) DO UPDATE SET slots = excluded.slots, dirty = 1
