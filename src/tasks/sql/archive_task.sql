-- A task goes into the archive; one that is there already only if this state of it is no earlier. By the primary key.
INSERT INTO archived_tasks (
    id, project, title, description, command, input, priority, status, assigned_to, agent_type, capabilities,
    retry_count, max_attempts, rescues, max_rescues, backoff, backoff_base_ms, backoff_cap_ms,
    backoff_jitter, lease_ms, not_before, deadline, lease_expires_at, fence, cancel_requested_at, dead_at,
    depends_on, open_dependencies, on_failed_dependency, parent, concurrency_key, concurrency_limit,
    idempotency_key, result, error, error_class, exit_code, logs, metadata, spec_id, created_at, started_at,
    completed_at, updated_at, revision, shell, timeout_ms, liveness, rank, words, epoch,
    archived_at)
VALUES (
    ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
    ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31, ?32, ?33, ?34, ?35, ?36, ?37, ?38, ?39, ?40, ?41, ?42, ?43, ?44,
    ?45, ?46, ?47, ?48, ?49, ?50, ?51, ?52)
ON CONFLICT (id) DO UPDATE SET
    project = excluded.project, title = excluded.title, description = excluded.description,
    command = excluded.command, input = excluded.input, priority = excluded.priority,
    status = excluded.status, assigned_to = excluded.assigned_to, agent_type = excluded.agent_type,
    capabilities = excluded.capabilities, retry_count = excluded.retry_count,
    max_attempts = excluded.max_attempts, rescues = excluded.rescues, max_rescues = excluded.max_rescues,
    backoff = excluded.backoff, backoff_base_ms = excluded.backoff_base_ms,
    backoff_cap_ms = excluded.backoff_cap_ms, backoff_jitter = excluded.backoff_jitter,
    lease_ms = excluded.lease_ms, not_before = excluded.not_before, deadline = excluded.deadline,
    lease_expires_at = excluded.lease_expires_at, fence = excluded.fence,
    cancel_requested_at = excluded.cancel_requested_at, dead_at = excluded.dead_at,
    depends_on = excluded.depends_on, open_dependencies = excluded.open_dependencies,
    on_failed_dependency = excluded.on_failed_dependency, parent = excluded.parent,
    concurrency_key = excluded.concurrency_key, concurrency_limit = excluded.concurrency_limit,
    idempotency_key = excluded.idempotency_key, result = excluded.result, error = excluded.error,
    error_class = excluded.error_class, exit_code = excluded.exit_code, logs = excluded.logs,
    metadata = excluded.metadata, spec_id = excluded.spec_id, created_at = excluded.created_at,
    started_at = excluded.started_at, completed_at = excluded.completed_at, updated_at = excluded.updated_at,
    revision = excluded.revision, shell = excluded.shell, timeout_ms = excluded.timeout_ms,
    liveness = excluded.liveness, rank = excluded.rank, words = excluded.words,
    epoch = excluded.epoch, archived_at = excluded.archived_at
WHERE archived_tasks.epoch < excluded.epoch
    OR (archived_tasks.epoch = excluded.epoch AND archived_tasks.revision <= excluded.revision)
