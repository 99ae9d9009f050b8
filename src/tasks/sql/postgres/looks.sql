-- look.sql, once for many.
SELECT n.number, looked.due, looked.now_ms, looked.stale, looked.promotes
FROM unnest(?1::bigint[]) WITH ORDINALITY AS n (asked_at, number) CROSS JOIN (@look@) AS looked (due, now_ms, stale, promotes)
