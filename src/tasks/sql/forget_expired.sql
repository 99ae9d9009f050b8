-- Answers that were kept long enough, a bounded number. By idx_task_requests_expiry.
DELETE FROM task_requests WHERE request_id IN (
    SELECT request_id FROM task_requests WHERE expires_at <= @now@ ORDER BY expires_at LIMIT 64)
