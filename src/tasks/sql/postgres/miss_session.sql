-- It is missed from now on, or not any more (?2 = 1). By the primary key.
UPDATE task_sessions SET
    lost_at = CASE WHEN ?2 = 1 THEN NULL ELSE coalesce(lost_at, (extract(epoch FROM statement_timestamp()) * 1000)::bigint) END
WHERE id = ?1
