-- Of tasks that are held, those that are still as they were read, and may go, draw ?2. By the
-- primary key: what may have an index is asked in a way that goes by none.
UPDATE tasks SET last_write = ?2
FROM (@pairs@) AS e
WHERE tasks.id = e.id AND tasks.revision = e.revision AND tasks.status NOT IN ('pending', 'in_progress', 'failed')
    AND @may_go@
