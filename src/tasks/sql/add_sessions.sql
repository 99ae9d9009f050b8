-- Migration 8 of `tasks`. Sessions of programs that hold tasks, for engines with a server that sees them end (PostgreSQL). id
-- is what it sees (sql::Presence), run the start of the server that it was seen at, lost_at when somebody first missed it.
-- A claim names its session in tasks.liveness.
CREATE TABLE task_sessions (
    id BIGINT PRIMARY KEY NOT NULL,
    run BIGINT NOT NULL,
    lost_at BIGINT
);
