-- Each session: whether the server sees it, whether it was begun in this run of the server, since when it is missed, the
-- server's time, and for how long it may be missed. A program holds a lock of that number while its session lasts. A row per program that claims.
SELECT s.id,
    EXISTS (SELECT 1 FROM pg_locks l
        WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted
            AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
            AND ((l.classid::bigint << 32) | l.objid::bigint) = s.id)::int::bigint,
    (s.run = (extract(epoch FROM pg_postmaster_start_time()) * 1000000)::bigint)::int::bigint,
    s.lost_at, (extract(epoch FROM statement_timestamp()) * 1000)::bigint, s.grace_ms
FROM task_sessions s ORDER BY s.id
