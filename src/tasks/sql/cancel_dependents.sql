-- After a transition of ?2 that drew ?3 and did not complete it: those that are cancelled with it, and with those, and so
-- on. By idx_task_dependencies_on; coalesce, so that SQLite does not go by the status.
UPDATE tasks SET
    status = 'cancelled', ready = 0, not_before = NULL, error = ?4, completed_at = @now@, updated_at = @now@,
    revision = revision + 1, last_write = ?3
WHERE coalesce(status, '') = 'pending' AND id IN (
    WITH RECURSIVE doomed(id) AS (
        SELECT t.id FROM tasks p CROSS JOIN task_dependencies d CROSS JOIN tasks t
        WHERE d.depends_on = p.id AND t.id = d.task_id AND p.id = ?2 AND p.last_write = ?3 AND d.open = 1 AND t.status = 'pending' AND t.on_failed_dependency = 'cancel'
        UNION
        SELECT t.id FROM doomed e CROSS JOIN task_dependencies d CROSS JOIN tasks t
        WHERE d.depends_on = e.id AND t.id = d.task_id AND d.open = 1 AND t.status = 'pending' AND t.on_failed_dependency = 'cancel')
    SELECT id FROM doomed)
