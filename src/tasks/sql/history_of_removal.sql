-- That a task of this revision goes. By the primary key.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq@, id, revision + 1, 'remove', status, NULL, ?3, fence, @now@, NULL, NULL, @transaction_id@
FROM tasks WHERE id = ?2 AND revision = ?4
