-- By the primary key: an answer that was kept long enough makes room for a new one.
DELETE FROM task_requests WHERE request_id = ?2 AND expires_at <= @now@
