-- As history_of_claim.sql of one task, where the row is there that the claim answered: ?4 to ?7 are its id, revision, fence and time.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
VALUES (@next_seq@, ?4, ?5, 'claim', 'pending', 'in_progress', ?1, ?6, ?7, NULL, ?3, @transaction_id@)
