-- What ids hold: through the index of the primary key, for lack of a better one.
SELECT id FROM archived_tasks WHERE replace(id, ?1, '') <> id ORDER BY id LIMIT 6
