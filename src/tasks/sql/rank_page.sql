-- What somebody else is just writing is passed over. By idx_tasks_status.
UPDATE tasks SET rank = @rank@
WHERE id @any_begin@
    SELECT id FROM tasks @by_status@
    WHERE status = 'pending' AND (created_at, id) >= (?1, ?2) AND (created_at, id) < (?3, ?4) AND rank <> @rank@
    ORDER BY created_at, id @any_end@
