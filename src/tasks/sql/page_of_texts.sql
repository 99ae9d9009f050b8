-- What words are made of, some tasks at a time. By the primary key.
SELECT id, title, description FROM tasks WHERE id > ?1 ORDER BY id LIMIT 200
