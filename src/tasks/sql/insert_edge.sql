-- Open, unless the other task has come to an end that counts under the policy ?3. By the primary key.
INSERT INTO task_dependencies (task_id, depends_on, open)
SELECT ?1, p.id, CASE WHEN p.status = 'completed' OR (p.status IN ('failed', 'cancelled') AND ?3 = 'run') THEN 0 ELSE 1 END
FROM tasks p WHERE p.id = ?2
