-- The place of an answer that there is none for. By the primary key.
DELETE FROM task_requests WHERE request_id = ?1 AND answer = '[]'
