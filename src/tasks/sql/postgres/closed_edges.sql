-- What close_edges.sql does, for many. By idx_task_dependencies_on.
UPDATE task_dependencies SET open = 0
FROM unnest(?1::text[], ?2::bigint[]) WITH ORDINALITY AS n (of_task, drawn, number)
JOIN tasks p ON p.id = n.of_task AND p.last_write = n.drawn
WHERE task_dependencies.depends_on = n.of_task AND open = 1
RETURNING n.number
