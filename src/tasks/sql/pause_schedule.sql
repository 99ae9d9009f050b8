-- A schedule that cannot be read ticks no more, if it still has the revision (?3) that it was read with. By the primary
-- key.
UPDATE task_schedules SET paused = 1, next_at = NULL, updated_at = ?2, revision = revision + 1
WHERE id = ?1 AND revision = ?3 AND paused = 0
