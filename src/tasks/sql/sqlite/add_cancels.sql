-- Migration 7 of `tasks`. Who asked that a claim be cancelled, and why, till its holder is told: then the history says it.
-- Rows of claims that have ended mean nothing. And for people who read by SQL: what was put in, and the log.
CREATE TABLE task_cancels (
    task_id TEXT PRIMARY KEY NOT NULL,
    fence INTEGER NOT NULL,
    requested_by TEXT NOT NULL,
    reason TEXT
) STRICT;
DROP VIEW tasks_readable;
CREATE VIEW tasks_readable AS
SELECT t.id, t.project, t.title, t.description, t.command,
    CASE t.priority WHEN -10 THEN 'low' WHEN 0 THEN 'normal' WHEN 10 THEN 'high' WHEN 20 THEN 'urgent'
        ELSE CAST(t.priority AS TEXT) END AS priority,
    t.status, t.assigned_to,
    strftime('%Y-%m-%dT%H:%M:%fZ', t.created_at / 1000.0, 'unixepoch') AS created_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', t.started_at / 1000.0, 'unixepoch') AS started_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', t.completed_at / 1000.0, 'unixepoch') AS completed_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', t.updated_at / 1000.0, 'unixepoch') AS updated_at,
    strftime('%Y-%m-%dT%H:%M:%fZ', t.lease_expires_at / 1000.0, 'unixepoch') AS lease_expires_at,
    t.result, t.error, t.error_class, t.exit_code, t.retry_count, t.metadata, t.open_dependencies, t.fence,
    t.input, t.logs
FROM tasks t;
