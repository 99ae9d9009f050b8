-- After a transition of ?1 that drew ?2 and did not complete it: those that run anyway wait no more for it, nor for those
-- that were cancelled with it. By idx_task_dependencies_on.
UPDATE tasks SET
    open_dependencies = open_dependencies - (@edges_ended@),
    ready = CASE WHEN open_dependencies = (@edges_ended@) AND status = 'pending' AND not_before IS NULL
        AND concurrency_key IS NULL THEN 1 ELSE 0 END
WHERE on_failed_dependency = 'run' AND id IN (
    SELECT d.task_id FROM task_dependencies d WHERE d.open = 1 AND d.depends_on IN (@ended@ SELECT id FROM ended))
