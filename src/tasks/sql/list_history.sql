-- The transitions of a task, in order. By idx_task_history_task.
SELECT seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id
FROM task_history WHERE task_id = ?1 ORDER BY revision
