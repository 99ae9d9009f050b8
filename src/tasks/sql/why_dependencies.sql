-- What a task still waits for. By the primary keys.
SELECT p.id, p.title, p.status FROM task_dependencies d JOIN tasks p ON p.id = d.depends_on
WHERE d.task_id = ?1 AND d.open = 1 ORDER BY p.id
