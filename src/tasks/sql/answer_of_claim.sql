-- The answer to a claim that drew ?7 and got something, in its order, kept for ?5. By idx_tasks_held; a request that was
-- answered is refused.
INSERT INTO task_requests (request_id, verb, fingerprint, answer, expires_at)
SELECT ?2, ?3, ?4, a.answer, @now@ + ?5 FROM (
    SELECT @answers@ AS answer, count(*) AS tasks FROM (
        SELECT id, revision, status, fence, lease_expires_at, updated_at, rank FROM tasks
        WHERE status = 'in_progress' AND assigned_to = ?6 AND last_write = ?7 ORDER BY rank, id) t) a
WHERE a.tasks > 0
