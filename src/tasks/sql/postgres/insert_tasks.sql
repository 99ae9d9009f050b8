-- Many new tasks; each parameter is the array of a column.
INSERT INTO tasks (id, project, title, description, command, input, priority, metadata, created_at, updated_at)
SELECT n.id, n.project, n.title, n.description, n.command, n.input, n.priority, n.metadata, n.at, n.at
FROM unnest(?1::text[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::text[], ?7::bigint[], ?8::text[], ?9::bigint[])
    AS n (id, project, title, description, command, input, priority, metadata, at)
