-- Tasks whose time has come, a bounded number; those with a concurrency key are settled by their key. By
-- idx_tasks_not_before. Mostly there are none, and one look says so.
UPDATE tasks SET not_before = NULL, ready = 1
WHERE EXISTS (
    SELECT 1 FROM tasks @by_not_before@ WHERE status = 'pending' AND open_dependencies = 0 AND not_before <= @now@)
AND concurrency_key IS NULL AND id @any_begin@
    SELECT id FROM tasks @by_not_before@
    WHERE status = 'pending' AND open_dependencies = 0 AND not_before <= @now@ AND concurrency_key IS NULL
    ORDER BY not_before, id LIMIT 64 @any_end@
