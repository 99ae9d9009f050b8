-- That ?1, if what drew ?4 wrote it, waits for ?2: as of insert_edge, unless that one waits for ?1 itself. By the primary
-- keys.
INSERT INTO task_dependencies (task_id, depends_on, open)
SELECT ?1, p.id, CASE WHEN p.status = 'completed' OR (p.status IN ('failed', 'cancelled') AND ?3 = 'run') THEN 0 ELSE 1 END
FROM tasks p
WHERE p.id = ?2 AND EXISTS (SELECT 1 FROM tasks t WHERE t.id = ?1 AND t.last_write = ?4)
    AND ?1 NOT IN (
        WITH RECURSIVE before(id) AS (
            SELECT s.id FROM tasks s WHERE s.id = ?2
            UNION
            SELECT d.depends_on FROM before b CROSS JOIN task_dependencies d WHERE d.task_id = b.id)
        SELECT id FROM before)
