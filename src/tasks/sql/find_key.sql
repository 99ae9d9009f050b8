-- By the primary key.
SELECT task_id, fingerprint FROM task_keys WHERE project = ?2 AND idempotency_key = ?3 AND expires_at > @now@
