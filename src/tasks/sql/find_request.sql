-- By the primary key.
SELECT verb, fingerprint, answer FROM task_requests WHERE request_id = ?2 AND expires_at > @now@
