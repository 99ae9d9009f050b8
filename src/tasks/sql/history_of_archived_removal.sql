-- That an archived task goes, and its history with it: who imports it again finds that it was here. By idx_task_history_task.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq@, ?2, CAST(?4 AS BIGINT), 'remove', ?5, NULL, ?3, CAST(?6 AS BIGINT), @now@, NULL, NULL, @transaction_id@
WHERE NOT EXISTS (SELECT 1 FROM task_history WHERE task_id = ?2)
