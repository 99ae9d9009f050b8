-- Migration 1 of `tasks`. Times are integer milliseconds, UTC. JSON is kept as text and compared as text.
CREATE TABLE tasks (
    id TEXT PRIMARY KEY NOT NULL,
    project TEXT NOT NULL DEFAULT '',
    title TEXT NOT NULL CHECK (length(title) > 0),
    description TEXT,
    command TEXT,
    input TEXT NOT NULL DEFAULT 'null',
    priority INTEGER NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
    status TEXT NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'in_progress', 'completed', 'failed', 'cancelled')),
    assigned_to TEXT,
    result TEXT,
    error TEXT,
    exit_code INTEGER,
    logs TEXT,
    retry_count INTEGER NOT NULL DEFAULT 0,
    metadata TEXT NOT NULL DEFAULT '{}',
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    updated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX idx_tasks_status ON tasks (status, created_at, id);
CREATE INDEX idx_tasks_project ON tasks (project, created_at, id);
CREATE INDEX idx_tasks_created ON tasks (created_at, id);
