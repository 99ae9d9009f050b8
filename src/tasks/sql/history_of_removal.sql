-- That a task of this revision goes, which none that is pending waits for. By the primary key and
-- idx_task_dependencies_on.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq@, id, revision + 1, 'remove', status, NULL, ?3, fence, @now@, NULL, NULL, @transaction_id@
FROM tasks WHERE id = ?2 AND revision = ?4
    AND NOT EXISTS (SELECT 1 FROM task_dependencies d CROSS JOIN tasks t
        WHERE t.id = d.task_id AND d.depends_on = ?2 AND d.open = 1 AND t.status = 'pending')
