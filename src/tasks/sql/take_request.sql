-- The place of an answer, kept for ?5; a request that was answered is refused. By the primary key.
INSERT INTO task_requests (request_id, verb, fingerprint, answer, expires_at) VALUES (?2, ?3, ?4, '[]', @now@ + ?5)
