-- Which tasks of a key have its slots is to be found out anew. By idx_tasks_status and the primary key.
UPDATE task_limits SET dirty = 1 WHERE name IN (
    SELECT concurrency_key FROM tasks @by_status@
    WHERE status = 'pending' AND (created_at, id) >= (?1, ?2) AND (created_at, id) < (?3, ?4)
        AND concurrency_key IS NOT NULL AND rank <> @rank@)
