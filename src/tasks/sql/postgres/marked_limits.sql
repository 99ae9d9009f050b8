-- What mark_limits.sql does, for many. By the primary keys and idx_task_dependencies_on.
WITH ended AS (
    SELECT * FROM unnest(?1::text[], ?2::bigint[]) WITH ORDINALITY AS n (of_task, drawn, number)),
touched AS (
    SELECT t.concurrency_key AS key, n.number
    FROM ended n JOIN tasks t ON t.id = n.of_task AND t.last_write = n.drawn
    WHERE t.concurrency_key IS NOT NULL
    UNION ALL
    SELECT t.concurrency_key, n.number
    FROM ended n JOIN task_dependencies d ON d.depends_on = n.of_task JOIN tasks t ON t.id = d.task_id
    WHERE t.concurrency_key IS NOT NULL AND t.status = 'pending'),
marked AS (
    UPDATE task_limits SET dirty = 1
    FROM (SELECT key, array_agg(number) AS numbers FROM touched GROUP BY key) k
    WHERE name = k.key AND dirty = 0
    RETURNING k.numbers)
SELECT unnest(numbers) FROM marked
