-- What claim.sql does for many who want one task each. Those that ask alike are given the first ones in turn; where two who
-- ask otherwise find the same task, one of them gets it. By idx_tasks_rank, one range per lane and kind of question.
WITH wanted AS MATERIALIZED (
    SELECT n.*, row_number() OVER (PARTITION BY n.of_project, n.offers, n.with_command ORDER BY n.number) AS place
    FROM unnest(?1::bigint[], ?2::text[], ?3::text[], ?4::text[], ?5::bigint[], ?6::bigint[], ?7::bigint[], ?8::text[], ?9::bigint[])
        WITH ORDINALITY AS n (asked_at, of_project, offers, worker, given_lease_ms, drawn, tasks_max, given_liveness, with_command, number)),
found AS MATERIALIZED (
    SELECT k.of_project, k.offers, k.with_command, f.id AS of_task,
        row_number() OVER (PARTITION BY k.of_project, k.offers, k.with_command ORDER BY f.rank, f.id) AS place
    FROM (SELECT of_project, offers, with_command, count(*) AS tasks_max FROM wanted GROUP BY 1, 2, 3) k
    CROSS JOIN LATERAL (
        SELECT c.id, c.rank FROM task_lanes l CROSS JOIN LATERAL (
            SELECT b.id, b.rank FROM tasks b
            WHERE b.ready = 1 AND b.lane = l.id AND (b.deadline IS NULL OR b.deadline > @now@)
                AND (k.with_command = 0 OR b.command IS NOT NULL)
            ORDER BY b.rank, b.id LIMIT k.tasks_max FOR UPDATE SKIP LOCKED) c
        WHERE (k.of_project IS NULL OR l.project = k.of_project) AND (l.needs = '[]' OR l.needs::jsonb <@ k.offers::jsonb)
        ORDER BY c.rank, c.id LIMIT k.tasks_max) f)
UPDATE tasks SET
    status = 'in_progress', ready = 0, assigned_to = w.worker, @next_fence@, started_at = @now@, liveness = w.given_liveness,
    lease_expires_at = @now@ + coalesce(w.given_lease_ms, lease_ms), updated_at = @now@, revision = revision + 1,
    last_write = w.drawn
FROM found f JOIN wanted w ON w.place = f.place AND w.offers = f.offers AND w.with_command = f.with_command
    AND w.of_project IS NOT DISTINCT FROM f.of_project
WHERE tasks.id = f.of_task
RETURNING w.number, @columns@, rank
