-- By the primary key. A task that is held is not removed.
DELETE FROM tasks WHERE id = ?1 AND revision = ?2 AND status <> 'in_progress'
