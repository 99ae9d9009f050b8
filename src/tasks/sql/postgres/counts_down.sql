-- What count_down.sql does, for many: who waits for several of them counts as many less. By idx_task_dependencies_on.
WITH waiting AS (
    SELECT d.task_id, count(*) AS ended, array_agg(n.number) AS numbers
    FROM unnest(?1::text[], ?2::bigint[]) WITH ORDINALITY AS n (of_task, drawn, number)
    JOIN tasks p ON p.id = n.of_task AND p.last_write = n.drawn
    JOIN task_dependencies d ON d.depends_on = n.of_task AND d.open = 1
    GROUP BY d.task_id),
counted AS (
    UPDATE tasks SET
        open_dependencies = open_dependencies - w.ended,
        ready = CASE WHEN open_dependencies = w.ended AND status = 'pending' AND not_before IS NULL AND concurrency_key IS NULL
            THEN 1 ELSE 0 END
    FROM waiting w WHERE id = w.task_id
    RETURNING w.numbers)
SELECT unnest(numbers) FROM counted
