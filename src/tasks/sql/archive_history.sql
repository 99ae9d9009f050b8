-- A transition of a task, if the state that is archived is this one. By the primary keys.
INSERT INTO archived_task_history (
    seq, task_id, revision, verb, from_status, to_status, actor, fence, at, reason, request_id)
SELECT ?1, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11 FROM archived_tasks
WHERE id = ?2 AND epoch = ?12 AND revision = ?13
