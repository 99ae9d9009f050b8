-- By the primary key.
INSERT INTO task_ageing (id, ageing_ms, change, stale, next_created_at, next_id) VALUES (1, ?1, ?2, 1, 0, '')
ON CONFLICT (id) DO UPDATE SET
    ageing_ms = excluded.ageing_ms, change = excluded.change, stale = 1, next_created_at = 0, next_id = ''
WHERE task_ageing.ageing_ms IS DISTINCT FROM excluded.ageing_ms
