-- A move that was decided on by the task as it was read: revision ?16, lease ?17. By the primary key. ?7, ?8 and ?9: how
-- long from now it waits, is dead, has ended; null for not at all.
UPDATE tasks SET
    status = ?3, ready = CASE WHEN ?4 = 1 AND open_dependencies = 0 THEN 1 ELSE 0 END,
    rank = CASE WHEN ?3 = 'pending' THEN @rank@ ELSE rank END, retry_count = ?5, rescues = ?6, not_before = @now@ + ?7, dead_at = @now@ + ?8, completed_at = @now@ + ?9,
    error = ?10, error_class = ?11, exit_code = ?12, logs = ?13, result = ?14,
    assigned_to = CASE WHEN ?3 = 'pending' THEN NULL ELSE assigned_to END,
    lease_expires_at = NULL, liveness = NULL, cancel_requested_at = NULL, updated_at = @now@, revision = revision + 1, last_write = ?15
WHERE id = ?2 AND revision = ?16 AND lease_expires_at IS NOT DISTINCT FROM ?17
RETURNING @columns@
