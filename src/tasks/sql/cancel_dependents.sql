-- After a transition of ?2 that drew ?3 and did not complete it: those that are cancelled with it, and with those, and so
-- on. By idx_task_dependencies_on.
UPDATE tasks SET
    status = 'cancelled', ready = 0, not_before = NULL, error = ?4, completed_at = @now@, updated_at = @now@,
    revision = revision + 1, last_write = ?3
WHERE status = 'pending' AND id IN (
    WITH RECURSIVE doomed(id) AS (
        SELECT t.id FROM tasks p JOIN task_dependencies d ON d.depends_on = p.id JOIN tasks t ON t.id = d.task_id
        WHERE p.id = ?2 AND p.last_write = ?3 AND d.open = 1 AND t.status = 'pending' AND t.on_failed_dependency = 'cancel'
        UNION
        SELECT t.id FROM doomed e JOIN task_dependencies d ON d.depends_on = e.id JOIN tasks t ON t.id = d.task_id
        WHERE d.open = 1 AND t.status = 'pending' AND t.on_failed_dependency = 'cancel')
    SELECT id FROM doomed)
