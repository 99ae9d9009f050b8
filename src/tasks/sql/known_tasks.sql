-- Which of these are here (0), and which somebody removed (1): of what was archived no history stays. By the primary key
-- and idx_task_history_task.
SELECT id, 0 FROM tasks WHERE id IN (@ids@)
UNION ALL SELECT task_id, 1 FROM task_history WHERE task_id IN (@ids@) AND verb = 'remove'
