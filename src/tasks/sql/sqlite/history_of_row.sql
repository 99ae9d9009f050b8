-- As history_of_write.sql, where the row is there that the transition answered: ?8 to ?13 are its id, revision, status, holder,
-- fence and time. An INSERT that reads its own table by a SELECT would keep what that answers in a table first.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
VALUES (@next_seq@, ?8, ?9, ?3, ?4, ?10, coalesce(?5, ?11, ''), ?12, ?13, ?6, ?7, @transaction_id@)
