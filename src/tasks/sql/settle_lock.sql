-- One at a time settles a key. By the primary key.
UPDATE task_limits SET dirty = 0 WHERE name = ?1
