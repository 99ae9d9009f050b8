-- What the claim that drew ?2 got. By idx_tasks_held.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq_of_row@, id, revision, 'claim', 'pending', 'in_progress', ?1, fence, updated_at, NULL, ?3,
    @transaction_id@
FROM tasks WHERE status = 'in_progress' AND assigned_to = ?1 AND last_write = ?2
