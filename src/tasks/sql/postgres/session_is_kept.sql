-- A row where it is written already that the program is there. By the primary key.
SELECT id FROM task_sessions
WHERE id = ?1 AND lost_at IS NULL AND grace_ms IS NOT DISTINCT FROM ?2::bigint
    AND run = (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint
