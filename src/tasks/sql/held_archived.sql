-- Which of these are there. By the primary key.
SELECT id FROM archived_tasks WHERE id IN (@ids@)
