-- That the program is there, at this run of the server, and for how long it may be missed. By the primary key.
INSERT INTO task_sessions (id, run, lost_at, grace_ms)
VALUES (?1, (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, NULL, ?2)
ON CONFLICT (id) DO UPDATE SET run = excluded.run, lost_at = NULL, grace_ms = excluded.grace_ms
WHERE task_sessions.run <> excluded.run OR task_sessions.lost_at IS NOT NULL
    OR task_sessions.grace_ms IS DISTINCT FROM excluded.grace_ms
