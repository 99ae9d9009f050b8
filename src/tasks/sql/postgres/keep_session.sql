-- That the program is there, at this run of the server. By the primary key.
INSERT INTO task_sessions (id, run, lost_at)
VALUES (?1, (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint, NULL)
ON CONFLICT (id) DO UPDATE SET run = excluded.run, lost_at = NULL
WHERE task_sessions.run <> excluded.run OR task_sessions.lost_at IS NOT NULL
