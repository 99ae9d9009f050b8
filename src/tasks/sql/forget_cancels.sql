-- Of claims that have ended, a bounded number: their histories tell it.
DELETE FROM task_cancels WHERE task_id IN (
    SELECT c.task_id FROM task_cancels c
    WHERE NOT EXISTS (SELECT 1 FROM tasks t WHERE t.id = c.task_id AND t.fence = c.fence AND t.status = 'in_progress')
    LIMIT 64)
