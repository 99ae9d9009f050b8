-- The answer to a claim that drew ?3 and got something, in its order. By idx_tasks_held and the primary key.
UPDATE task_requests SET answer = a.answer FROM (
    SELECT @answers@ AS answer, count(*) AS tasks FROM (
        SELECT id, revision, status, fence, lease_expires_at, updated_at, rank FROM tasks
        WHERE status = 'in_progress' AND assigned_to = ?2 AND last_write = ?3 ORDER BY rank, id) t) a
WHERE task_requests.request_id = ?1 AND a.tasks > 0
