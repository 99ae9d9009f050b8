-- By the primary key; the same lane again is the same row.
INSERT INTO task_lanes (id, project, needs) VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING
