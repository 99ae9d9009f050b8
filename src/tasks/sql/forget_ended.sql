-- Tasks that drew ?2. By the primary key.
DELETE FROM tasks WHERE id IN (@ids@) AND last_write = ?2
RETURNING id
