-- Of those that were cancelled with ?1 by the transition that drew ?2. By idx_task_dependencies_on.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq_of_row@, id, revision, 'cancel', 'pending', 'cancelled', ?3, fence, updated_at, error, NULL,
    @transaction_id@
FROM tasks WHERE id <> ?1 AND id IN (@ended@ SELECT id FROM ended)
