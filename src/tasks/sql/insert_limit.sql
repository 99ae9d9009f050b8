-- By the primary key: the last word about a key's slots holds; null is none, and a new key has one.
INSERT INTO task_limits (name, slots, dirty) VALUES (?1, coalesce(CAST(?2 AS BIGINT), 1), 1)
ON CONFLICT (name) DO UPDATE SET slots = coalesce(CAST(?2 AS BIGINT), task_limits.slots), dirty = 1
