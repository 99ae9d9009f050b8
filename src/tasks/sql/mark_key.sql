-- The key is to be settled. By the primary key.
UPDATE task_limits SET dirty = 1 WHERE name = ?1
