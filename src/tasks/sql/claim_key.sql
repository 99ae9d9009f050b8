-- A key is taken, or taken over once it has expired: then one row changes. By the primary key.
INSERT INTO task_keys (project, idempotency_key, task_id, fingerprint, expires_at)
VALUES (?2, ?3, ?4, ?5, @now@ + ?6)
ON CONFLICT (project, idempotency_key) DO UPDATE SET
    task_id = excluded.task_id, fingerprint = excluded.fingerprint, expires_at = excluded.expires_at
WHERE task_keys.expires_at <= @now@
