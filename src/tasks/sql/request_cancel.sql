-- Of a task that is held: its holder is told. By the primary key.
UPDATE tasks SET
    cancel_requested_at = coalesce(cancel_requested_at, @now@), updated_at = @now@, revision = revision + 1
WHERE id = ?2 AND revision = ?3 AND status = 'in_progress'
RETURNING @columns@
