-- One new task.
INSERT INTO tasks (id, project, title, description, command, input, priority, metadata, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?9)
