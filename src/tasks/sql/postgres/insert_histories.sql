-- That tasks were made; each parameter is the array of a column.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq@, n.task_id, 1, 'create', NULL, 'pending', n.actor, 0, n.at, NULL, NULL, @transaction_id@
FROM unnest(?1::text[], ?2::text[], ?3::bigint[]) AS n (task_id, actor, at)
