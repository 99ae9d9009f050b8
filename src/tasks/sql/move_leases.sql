-- The wall clock was set by ?1 ms: what is held stays held for as long as before. By idx_tasks_held.
UPDATE tasks SET lease_expires_at = lease_expires_at + ?1 WHERE status = 'in_progress'
