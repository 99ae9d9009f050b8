-- What insert_lane.sql does, for many; in one order, so that those who insert the same ones wait and do not lock each
-- other out.
INSERT INTO task_lanes (id, project, needs)
SELECT n.id, n.project, n.needs FROM unnest(?1::bigint[], ?2::text[], ?3::text[]) AS n (id, project, needs)
ORDER BY n.id
ON CONFLICT (id) DO NOTHING
