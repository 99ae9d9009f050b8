-- Of a program that is gone, and that no claim names. By the primary key.
DELETE FROM task_sessions WHERE id = ?1 AND NOT EXISTS (
    SELECT 1 FROM tasks t WHERE t.liveness IS NOT NULL AND t.liveness LIKE '%session:' || ?1::bigint)
