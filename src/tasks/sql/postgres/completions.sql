-- What complete.sql does, for many. By the primary key.
UPDATE tasks SET
    status = 'completed', result = n.given_result, exit_code = n.given_code, logs = coalesce(n.given_logs, logs), error = NULL,
    error_class = NULL, lease_expires_at = NULL, liveness = NULL, cancel_requested_at = NULL, completed_at = @now@,
    updated_at = @now@, revision = revision + 1, last_write = n.drawn
FROM unnest(?1::bigint[], ?2::text[], ?3::bigint[], ?4::text[], ?5::bigint[], ?6::text[], ?7::bigint[])
    WITH ORDINALITY AS n (asked_at, of_task, drawn, given_result, given_code, given_logs, given_fence, number)
WHERE id = n.of_task AND status = 'in_progress' AND fence = coalesce(n.given_fence, fence)
RETURNING n.number, @columns@
