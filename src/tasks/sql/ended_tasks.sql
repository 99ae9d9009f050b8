-- Tasks of the status ?3 that were made by ?2, in the order in which they were made, ?6 of them and 250 at most; and
-- whether they ended by then (1) and may go (2). By idx_tasks_status, or of one project (?7) by idx_tasks_project. What
-- they are needed by is looked for a task at a time: where PostgreSQL does not know that they are few, it reads all that
-- is open for each page.
SELECT id, revision, created_at,
    CASE WHEN completed_at <= ?2 THEN CASE WHEN @may_go@ THEN 2 ELSE 1 END ELSE 0 END
FROM (SELECT * FROM (
        SELECT id, parent, revision, created_at, completed_at
        FROM tasks @of_which@ status = ?3 AND created_at <= ?2 AND (created_at, id) > (?4, ?5)
        ORDER BY created_at, id LIMIT 250) few
    ORDER BY created_at, id LIMIT ?6) page
ORDER BY created_at, id
