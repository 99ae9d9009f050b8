-- What history_of_claim.sql does, for many. By idx_tasks_held.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq@, id, revision, 'claim', 'pending', 'in_progress', n.worker, fence, updated_at, NULL, n.request_id,
    @transaction_id@
FROM unnest(?1::text[], ?2::bigint[], ?3::text[]) AS n (worker, drawn, request_id)
JOIN tasks ON status = 'in_progress' AND assigned_to = n.worker AND last_write = n.drawn
