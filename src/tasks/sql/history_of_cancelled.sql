-- As history_of_write.sql, of a hold that ends because somebody asked for it: who, and why.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq@, id, revision, ?3, ?4, status, coalesce(?5, assigned_to, ''), fence, updated_at,
    coalesce((SELECT coalesce(CAST(?6 AS TEXT) || '; ', '') || 'asked for'
            || CASE c.requested_by WHEN '' THEN '' ELSE ' by ' || c.requested_by END || coalesce(': ' || c.reason, '')
        FROM task_cancels c WHERE c.task_id = tasks.id AND c.fence = tasks.fence), CAST(?6 AS TEXT)),
    ?7, @transaction_id@
FROM tasks WHERE id = ?1 AND last_write = ?2
