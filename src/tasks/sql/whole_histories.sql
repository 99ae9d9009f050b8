-- By idx_task_history_task.
SELECT seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id
FROM task_history WHERE task_id IN (@ids@) ORDER BY task_id, revision
