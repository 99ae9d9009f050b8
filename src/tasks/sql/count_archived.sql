-- Of one project (?1) through idx_archived_tasks_project; of all, through an index as a whole.
SELECT CASE WHEN CAST(?1 AS TEXT) IS NULL THEN (SELECT count(*) FROM archived_tasks)
            ELSE (SELECT count(*) FROM archived_tasks WHERE project = ?1) END
