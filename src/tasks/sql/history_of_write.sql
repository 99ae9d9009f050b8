-- The transition that drew ?2, if there was one. By the primary key.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq@, id, revision, ?3, ?4, status, coalesce(?5, assigned_to, ''), fence, updated_at, ?6, ?7, @transaction_id@
FROM tasks WHERE id = ?1 AND last_write = ?2
