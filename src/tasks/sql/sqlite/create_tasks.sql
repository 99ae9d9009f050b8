-- Migration 1 of `tasks`. Times are integer milliseconds, UTC. JSON is kept as text and compared as text.
-- The lists of words and moves in the checks are printed from transitions.hpp; a test compares them.
--
-- ready = 1: may be claimed now. Everything else that is pending waits for a time (not_before), for other tasks
-- (open_dependencies counts those) or for a slot of its concurrency key. rank orders claims: smaller first. lane is the
-- hash of the project and of what a worker must offer; task_lanes says what stands behind it. last_write is drawn anew
-- by each transition: the later statements of its transaction find by it whether the first one has changed anything.
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
    agent_type TEXT,
    capabilities TEXT NOT NULL DEFAULT '[]',
    retry_count INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL DEFAULT 3 CHECK (max_attempts > 0),
    rescues INTEGER NOT NULL DEFAULT 0,
    max_rescues INTEGER NOT NULL DEFAULT 5 CHECK (max_rescues >= 0),
    backoff TEXT NOT NULL DEFAULT 'exponential'
        CHECK (backoff IN ('none', 'linear', 'exponential', 'fibonacci')),
    backoff_base_ms INTEGER NOT NULL DEFAULT 1000,
    backoff_cap_ms INTEGER NOT NULL DEFAULT 3600000,
    backoff_jitter INTEGER NOT NULL DEFAULT 0 CHECK (backoff_jitter BETWEEN 0 AND 100),
    lease_ms INTEGER NOT NULL DEFAULT 600000 CHECK (lease_ms > 0),
    not_before INTEGER,
    deadline INTEGER,
    lease_expires_at INTEGER,
    fence INTEGER NOT NULL DEFAULT 0,
    cancel_requested_at INTEGER,
    dead_at INTEGER,
    depends_on TEXT NOT NULL DEFAULT '[]',
    open_dependencies INTEGER NOT NULL DEFAULT 0 CHECK (open_dependencies >= 0),
    on_failed_dependency TEXT NOT NULL DEFAULT 'block'
        CHECK (on_failed_dependency IN ('block', 'cancel', 'run')),
    parent TEXT,
    concurrency_key TEXT,
    concurrency_limit INTEGER CHECK (concurrency_limit > 0),
    idempotency_key TEXT,
    result TEXT,
    error TEXT,
    error_class TEXT CHECK (error_class IN ('infra', 'logic', 'policy', 'timeout')),
    exit_code INTEGER,
    logs TEXT,
    metadata TEXT NOT NULL DEFAULT '{}',
    spec_id TEXT,
    created_at INTEGER NOT NULL,
    started_at INTEGER,
    completed_at INTEGER,
    updated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1,
    lane INTEGER NOT NULL DEFAULT 0,
    rank INTEGER NOT NULL DEFAULT 0,
    ready INTEGER NOT NULL DEFAULT 0,
    last_write INTEGER NOT NULL DEFAULT 0,
    CONSTRAINT "use_taskstore_task_claim" CHECK (
        status <> 'in_progress' OR (fence > 0 AND lease_expires_at IS NOT NULL AND assigned_to IS NOT NULL)),
    CONSTRAINT "use_the_verbs_of_taskstore_task" CHECK (
        ready = 0 OR (status = 'pending' AND open_dependencies = 0 AND not_before IS NULL))
) STRICT;
CREATE INDEX idx_tasks_status ON tasks (status, created_at, id);
CREATE INDEX idx_tasks_project ON tasks (project, created_at, id);
CREATE INDEX idx_tasks_created ON tasks (created_at, id);
CREATE INDEX idx_tasks_rank ON tasks (lane, rank, id) WHERE ready = 1;
CREATE INDEX idx_tasks_not_before ON tasks (not_before, id)
    WHERE status = 'pending' AND open_dependencies = 0 AND not_before IS NOT NULL;
CREATE INDEX idx_tasks_deadline ON tasks (deadline, id) WHERE status = 'pending' AND deadline IS NOT NULL;
CREATE INDEX idx_tasks_lease ON tasks (lease_expires_at, id) WHERE status = 'in_progress';
CREATE INDEX idx_tasks_held ON tasks (assigned_to, last_write) WHERE status = 'in_progress';
CREATE INDEX idx_tasks_slots ON tasks (concurrency_key, status, rank, id) WHERE concurrency_key IS NOT NULL;
CREATE INDEX idx_tasks_dead ON tasks (dead_at, id) WHERE dead_at IS NOT NULL;
CREATE INDEX idx_tasks_parent ON tasks (parent, id) WHERE parent IS NOT NULL;
CREATE INDEX idx_tasks_spec ON tasks (spec_id, id) WHERE spec_id IS NOT NULL;

-- One row per transition. seq grows in the order of commits and with each move or restore; transaction_id is
-- PostgreSQL's: who reads on stays below the oldest one that runs.
CREATE TABLE task_history (
    seq INTEGER PRIMARY KEY NOT NULL,
    task_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    verb TEXT NOT NULL,
    from_status TEXT,
    to_status TEXT,
    actor TEXT NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    at INTEGER NOT NULL,
    reason TEXT,
    request_id TEXT,
    transaction_id INTEGER,
    CONSTRAINT "a_move_of_the_table" CHECK (
        (verb || ':' || coalesce(from_status, '') || '>' || coalesce(to_status, '')) IN (
        'create:>pending',
        'claim:pending>in_progress',
        'complete:in_progress>completed',
        'fail:in_progress>pending',
        'fail:in_progress>failed',
        'fail:in_progress>cancelled',
        'release:in_progress>pending',
        'release:in_progress>cancelled',
        'cancel:in_progress>cancelled',
        'rescue:in_progress>pending',
        'rescue:in_progress>failed',
        'rescue:in_progress>cancelled',
        'cancel:pending>cancelled',
        'expire:pending>failed',
        'retry:failed>pending',
        'retry:cancelled>pending',
        'remove:pending>',
        'remove:completed>',
        'remove:failed>',
        'remove:cancelled>'))
) STRICT;
CREATE UNIQUE INDEX idx_task_history_task ON task_history (task_id, revision);

-- open = 1: the task still waits for this one.
CREATE TABLE task_dependencies (
    task_id TEXT NOT NULL,
    depends_on TEXT NOT NULL,
    open INTEGER NOT NULL DEFAULT 1,
    PRIMARY KEY (task_id, depends_on)
) STRICT;
CREATE INDEX idx_task_dependencies_on ON task_dependencies (depends_on, open);

-- Keys under which tasks were created, and requests that were answered, till they expire.
CREATE TABLE task_keys (
    project TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    task_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (project, idempotency_key)
) STRICT;
CREATE INDEX idx_task_keys_expiry ON task_keys (expires_at);
CREATE INDEX idx_task_keys_task ON task_keys (task_id);
CREATE TABLE task_requests (
    request_id TEXT PRIMARY KEY NOT NULL,
    verb TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    answer TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX idx_task_requests_expiry ON task_requests (expires_at);

-- id is a hash of the rest. needs: a JSON array of words, sorted.
CREATE TABLE task_lanes (
    id INTEGER PRIMARY KEY NOT NULL,
    project TEXT NOT NULL,
    needs TEXT NOT NULL
) STRICT;
-- How many tasks of a concurrency key may be in progress at once. dirty = 1: which of those that wait may be claimed is
-- to be settled anew.
CREATE TABLE task_limits (
    name TEXT PRIMARY KEY NOT NULL,
    slots INTEGER NOT NULL CHECK (slots > 0),
    dirty INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX idx_task_limits_dirty ON task_limits (dirty) WHERE dirty = 1;

-- For people who read by SQL: the founding columns, times as text.
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
    t.result, t.error, t.error_class, t.exit_code, t.retry_count, t.metadata, t.open_dependencies, t.fence
FROM tasks t;
CREATE VIEW task_history_readable AS
SELECT h.seq, h.task_id, h.verb, h.from_status, h.to_status, h.actor, h.fence,
    strftime('%Y-%m-%dT%H:%M:%fZ', h.at / 1000.0, 'unixepoch') AS at,
    h.reason
FROM task_history h;
