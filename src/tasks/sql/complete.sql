-- By the primary key; ?7 is the fence, or null for whoever holds it. The last column is 0 where nobody waits for the task or for
-- its slot.
UPDATE tasks SET @completed@, error_class = NULL
WHERE id = ?2 AND status = 'in_progress' AND fence = coalesce(?7, fence)
RETURNING @columns@@concerns_others@
