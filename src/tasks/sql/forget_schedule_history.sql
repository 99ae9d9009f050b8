-- What a schedule did longest ago, beyond the last of its revisions that are kept, a bounded number. By the primary key.
DELETE FROM task_schedule_history WHERE schedule_id = ?1 AND revision IN (
    SELECT revision FROM task_schedule_history WHERE schedule_id = ?1 AND revision <= ?2 ORDER BY revision LIMIT 64)
