-- What an earlier state of the task had, if the state that is archived is this one. By the primary keys.
DELETE FROM archived_task_history WHERE task_id = ?1
    AND EXISTS (SELECT 1 FROM archived_tasks t WHERE t.id = ?1 AND t.epoch = ?2 AND t.revision = ?3)
