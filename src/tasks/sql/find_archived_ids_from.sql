-- What ids begin with. A range of the primary key.
SELECT id FROM archived_tasks WHERE id >= ?1 AND id < ?2 ORDER BY id LIMIT 6
