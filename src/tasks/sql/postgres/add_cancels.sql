-- Migration 7 of `tasks`. Who asked that a claim be cancelled, and why, till its holder is told: then the history says it.
-- Rows of claims that have ended mean nothing. And for people who read by SQL: what was put in, and the log.
CREATE TABLE task_cancels (
    task_id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    fence BIGINT NOT NULL,
    requested_by TEXT COLLATE "C" NOT NULL,
    reason TEXT COLLATE "C"
);
CREATE OR REPLACE VIEW tasks_readable AS
SELECT t.id, t.project, t.title, t.description, t.command,
    CASE t.priority WHEN -10 THEN 'low' WHEN 0 THEN 'normal' WHEN 10 THEN 'high' WHEN 20 THEN 'urgent'
        ELSE CAST(t.priority AS TEXT) END AS priority,
    t.status, t.assigned_to,
    to_char(to_timestamp(t.created_at / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        AS created_at,
    to_char(to_timestamp(t.started_at / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        AS started_at,
    to_char(to_timestamp(t.completed_at / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        AS completed_at,
    to_char(to_timestamp(t.updated_at / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        AS updated_at,
    to_char(to_timestamp(t.lease_expires_at / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        AS lease_expires_at,
    t.result, t.error, t.error_class, t.exit_code, t.retry_count, t.metadata, t.open_dependencies, t.fence,
    t.input, t.logs
FROM tasks t;
