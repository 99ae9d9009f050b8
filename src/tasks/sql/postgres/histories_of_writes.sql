-- What history_of_write.sql does, for many. By the primary key.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq@, id, revision, n.verb, n.from_status, status, coalesce(n.actor, assigned_to, ''), fence, updated_at, n.reason,
    n.request_id, @transaction_id@
FROM unnest(?1::text[], ?2::bigint[], ?3::text[], ?4::text[], ?5::text[], ?6::text[], ?7::text[])
    AS n (of_task, drawn, verb, from_status, actor, reason, request_id)
JOIN tasks ON id = n.of_task AND last_write = n.drawn
