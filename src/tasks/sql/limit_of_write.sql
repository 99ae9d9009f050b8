-- As insert_limit.sql, if ?3 was written by what drew ?4. By the primary keys.
INSERT INTO task_limits (name, slots, dirty) SELECT ?1, coalesce(CAST(?2 AS BIGINT), 1), 1 FROM tasks WHERE id = ?3 AND last_write = ?4
ON CONFLICT (name) DO UPDATE SET slots = coalesce(CAST(?2 AS BIGINT), task_limits.slots), dirty = 1
