-- A move that a task made in the system that it comes from.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
VALUES (@next_seq@, ?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, NULL, @transaction_id@)
