-- The bytes of tasks and of their histories, more or less. By the primary key and idx_task_history_task.
SELECT id, 1000 + @octets_begin@ title || coalesce(description, '') || coalesce(command, '') || input || capabilities ||
        depends_on || coalesce(result, '') || coalesce(error, '') || coalesce(logs, '') || metadata || coalesce(words, '') @octets_end@
    + coalesce((SELECT sum(200 + @octets_begin@ actor || coalesce(reason, '') @octets_end@)
        FROM task_history h WHERE h.task_id = tasks.id), 0)
FROM tasks WHERE id IN (@ids@)
