-- Migration 1 of `tasks`. Times are integer milliseconds, UTC. JSON is kept as text and compared as text; text sorts
-- by bytes, as in the other engines.
CREATE TABLE tasks (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    project TEXT COLLATE "C" NOT NULL DEFAULT '',
    title TEXT COLLATE "C" NOT NULL CHECK (length(title) > 0),
    description TEXT COLLATE "C",
    command TEXT COLLATE "C",
    input TEXT COLLATE "C" NOT NULL DEFAULT 'null',
    priority BIGINT NOT NULL DEFAULT 0 CHECK (priority BETWEEN -100 AND 100),
    status TEXT COLLATE "C" NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'in_progress', 'completed', 'failed', 'cancelled')),
    assigned_to TEXT COLLATE "C",
    result TEXT COLLATE "C",
    error TEXT COLLATE "C",
    exit_code BIGINT,
    logs TEXT COLLATE "C",
    retry_count BIGINT NOT NULL DEFAULT 0,
    metadata TEXT COLLATE "C" NOT NULL DEFAULT '{}',
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    completed_at BIGINT,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL DEFAULT 1
);
CREATE INDEX idx_tasks_status ON tasks (status, created_at, id);
CREATE INDEX idx_tasks_project ON tasks (project, created_at, id);
CREATE INDEX idx_tasks_created ON tasks (created_at, id);
