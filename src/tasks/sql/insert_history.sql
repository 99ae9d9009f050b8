-- That a task was made.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
VALUES (@next_seq@, ?1, 1, 'create', NULL, 'pending', ?2, 0, ?3, NULL, NULL, @transaction_id@)
