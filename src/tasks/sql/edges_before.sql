-- What a task waits for, what that waits for, and so on. By the primary key.
WITH RECURSIVE before(id) AS (
    SELECT s.id FROM tasks s WHERE s.id = ?1
    UNION
    SELECT d.depends_on FROM before b CROSS JOIN task_dependencies d WHERE d.task_id = b.id)
SELECT d.task_id, d.depends_on FROM before b CROSS JOIN task_dependencies d WHERE d.task_id = b.id
ORDER BY d.task_id, d.depends_on
