-- When an earlier state begins an epoch (@reason@): nobody holds anything any more, and no claim is answered again. Neither
-- an attempt nor a rescue is counted. By idx_tasks_lease and the primary keys.
INSERT INTO task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id, transaction_id)
SELECT @next_seq_of_row@, id, revision + 1, 'rescue', 'in_progress', 'pending', 'taskstore', fence, @now@,
    '@reason@', NULL, @transaction_id@
FROM tasks @by_lease@ WHERE status = 'in_progress' AND cancel_requested_at IS NULL;

UPDATE task_limits SET dirty = 1 WHERE name IN (
    SELECT concurrency_key FROM tasks @by_lease@ WHERE status = 'in_progress' AND concurrency_key IS NOT NULL);

UPDATE tasks SET
    status = 'pending', ready = CASE WHEN open_dependencies = 0 AND concurrency_key IS NULL THEN 1 ELSE 0 END,
    rank = @rank@, not_before = NULL, assigned_to = NULL, lease_expires_at = NULL, liveness = NULL, updated_at = @now@, revision = revision + 1
WHERE status = 'in_progress' AND cancel_requested_at IS NULL;

-- What that means to others is said by whoever tends next.
UPDATE tasks SET @next_fence@, lease_expires_at = 0, liveness = NULL, updated_at = @now@, revision = revision + 1
WHERE status = 'in_progress';

DELETE FROM task_requests WHERE verb = 'claim'
