-- As complete.sql, of a task that has not failed before: to set error_class would make a table for the list in its CHECK.
UPDATE tasks SET @completed@
WHERE id = ?2 AND status = 'in_progress' AND fence = coalesce(?7, fence) AND error_class IS NULL
