-- Migration 1 of `tasks`. Times are integer milliseconds, UTC. JSON is kept as text and compared as text; text
-- sorts by bytes, as in the other engines.
-- The lists of words and moves in the checks are printed from transitions.hpp; a test compares them.
--
-- ready = 1: may be claimed now. Everything else that is pending waits for a time (not_before), for other tasks
-- (open_dependencies counts those) or for a slot of its concurrency key. rank orders claims: smaller first. lane is the
-- hash of the project and of what a worker must offer; task_lanes says what stands behind it. last_write is drawn anew
-- by each transition: the later statements of its transaction find by it whether the first one has changed anything.
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
    agent_type TEXT COLLATE "C",
    capabilities TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    retry_count BIGINT NOT NULL DEFAULT 0,
    max_attempts BIGINT NOT NULL DEFAULT 3 CHECK (max_attempts > 0),
    rescues BIGINT NOT NULL DEFAULT 0,
    max_rescues BIGINT NOT NULL DEFAULT 5 CHECK (max_rescues >= 0),
    backoff TEXT COLLATE "C" NOT NULL DEFAULT 'exponential'
        CHECK (backoff IN ('none', 'linear', 'exponential', 'fibonacci')),
    backoff_base_ms BIGINT NOT NULL DEFAULT 1000,
    backoff_cap_ms BIGINT NOT NULL DEFAULT 3600000,
    backoff_jitter BIGINT NOT NULL DEFAULT 0 CHECK (backoff_jitter BETWEEN 0 AND 100),
    lease_ms BIGINT NOT NULL DEFAULT 600000 CHECK (lease_ms > 0),
    not_before BIGINT,
    deadline BIGINT,
    lease_expires_at BIGINT,
    fence BIGINT NOT NULL DEFAULT 0,
    cancel_requested_at BIGINT,
    dead_at BIGINT,
    depends_on TEXT COLLATE "C" NOT NULL DEFAULT '[]',
    open_dependencies BIGINT NOT NULL DEFAULT 0 CHECK (open_dependencies >= 0),
    on_failed_dependency TEXT COLLATE "C" NOT NULL DEFAULT 'block'
        CHECK (on_failed_dependency IN ('block', 'cancel', 'run')),
    parent TEXT COLLATE "C",
    concurrency_key TEXT COLLATE "C",
    concurrency_limit BIGINT CHECK (concurrency_limit > 0),
    idempotency_key TEXT COLLATE "C",
    result TEXT COLLATE "C",
    error TEXT COLLATE "C",
    error_class TEXT COLLATE "C" CHECK (error_class IN ('infra', 'logic', 'policy', 'timeout')),
    exit_code BIGINT,
    logs TEXT COLLATE "C",
    metadata TEXT COLLATE "C" NOT NULL DEFAULT '{}',
    spec_id TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    completed_at BIGINT,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL DEFAULT 1,
    lane BIGINT NOT NULL DEFAULT 0,
    rank BIGINT NOT NULL DEFAULT 0,
    ready BIGINT NOT NULL DEFAULT 0,
    last_write BIGINT NOT NULL DEFAULT 0,
    CONSTRAINT "use_taskstore_task_claim" CHECK (
        status <> 'in_progress' OR (fence > 0 AND lease_expires_at IS NOT NULL AND assigned_to IS NOT NULL)),
    CONSTRAINT "use_the_verbs_of_taskstore_task" CHECK (
        ready = 0 OR (status = 'pending' AND open_dependencies = 0 AND not_before IS NULL))
);
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
CREATE SEQUENCE task_history_seq;
CREATE TABLE task_history (
    seq BIGINT PRIMARY KEY NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    verb TEXT COLLATE "C" NOT NULL,
    from_status TEXT COLLATE "C",
    to_status TEXT COLLATE "C",
    actor TEXT COLLATE "C" NOT NULL,
    fence BIGINT NOT NULL DEFAULT 0,
    at BIGINT NOT NULL,
    reason TEXT COLLATE "C",
    request_id TEXT COLLATE "C",
    transaction_id BIGINT,
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
);
CREATE UNIQUE INDEX idx_task_history_task ON task_history (task_id, revision);

-- open = 1: the task still waits for this one.
CREATE TABLE task_dependencies (
    task_id TEXT COLLATE "C" NOT NULL,
    depends_on TEXT COLLATE "C" NOT NULL,
    open BIGINT NOT NULL DEFAULT 1,
    PRIMARY KEY (task_id, depends_on)
);
CREATE INDEX idx_task_dependencies_on ON task_dependencies (depends_on, open);

-- Keys under which tasks were created, and requests that were answered, till they expire.
CREATE TABLE task_keys (
    project TEXT COLLATE "C" NOT NULL,
    idempotency_key TEXT COLLATE "C" NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (project, idempotency_key)
);
CREATE INDEX idx_task_keys_expiry ON task_keys (expires_at);
CREATE INDEX idx_task_keys_task ON task_keys (task_id);
CREATE TABLE task_requests (
    request_id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    verb TEXT COLLATE "C" NOT NULL,
    fingerprint TEXT COLLATE "C" NOT NULL,
    answer TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX idx_task_requests_expiry ON task_requests (expires_at);

-- id is a hash of the rest. needs: a JSON array of words, sorted.
CREATE TABLE task_lanes (
    id BIGINT PRIMARY KEY NOT NULL,
    project TEXT COLLATE "C" NOT NULL,
    needs TEXT COLLATE "C" NOT NULL
);
-- How many tasks of a concurrency key may be in progress at once. dirty = 1: which of those that wait may be claimed is
-- to be settled anew.
CREATE TABLE task_limits (
    name TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    slots BIGINT NOT NULL CHECK (slots > 0),
    dirty BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX idx_task_limits_dirty ON task_limits (dirty) WHERE dirty = 1;

-- For people who read by SQL: the founding columns, times as text.
CREATE VIEW tasks_readable AS
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
    t.result, t.error, t.error_class, t.exit_code, t.retry_count, t.metadata, t.open_dependencies, t.fence
FROM tasks t;
CREATE VIEW task_history_readable AS
SELECT h.seq, h.task_id, h.verb, h.from_status, h.to_status, h.actor, h.fence,
    to_char(to_timestamp(h.at / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
        AS at,
    h.reason
FROM task_history h;
