-- The transitions of a task of the archive, in order. By the primary key.
SELECT seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id
FROM archived_task_history WHERE task_id = ?1 ORDER BY revision
