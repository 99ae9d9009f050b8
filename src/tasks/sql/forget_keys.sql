-- Keys that were kept long enough, a bounded number. By idx_task_keys_expiry.
DELETE FROM task_keys WHERE (project, idempotency_key) IN (
    SELECT project, idempotency_key FROM task_keys WHERE expires_at <= @now@ ORDER BY expires_at LIMIT 64)
