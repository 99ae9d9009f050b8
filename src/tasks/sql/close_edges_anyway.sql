-- After count_down_anyway. By idx_task_dependencies_on.
UPDATE task_dependencies SET open = 0
WHERE open = 1 AND depends_on IN (@ended@ SELECT id FROM ended)
    AND EXISTS (SELECT 1 FROM tasks t WHERE t.id = task_dependencies.task_id AND t.on_failed_dependency = 'run')
