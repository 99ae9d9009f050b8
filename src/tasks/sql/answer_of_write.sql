-- The answer to a request whose transition drew ?7, kept for ?5. By the primary key; a request that was answered is refused.
INSERT INTO task_requests (request_id, verb, fingerprint, answer, expires_at)
SELECT ?2, ?3, ?4, a.answer, @now@ + ?5 FROM (
    SELECT @answers@ AS answer, count(*) AS tasks FROM tasks WHERE id = ?6 AND last_write = ?7) a
WHERE a.tasks > 0
