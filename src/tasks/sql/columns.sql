-- What every query that answers tasks selects; stands for @columns@.
    id, project, title, description, command, input, priority, status, assigned_to, agent_type, capabilities,
    retry_count, max_attempts, rescues, max_rescues, backoff, backoff_base_ms, backoff_cap_ms,
    backoff_jitter, lease_ms, not_before, deadline, lease_expires_at, fence, cancel_requested_at, dead_at,
    depends_on, open_dependencies, on_failed_dependency, parent, concurrency_key, concurrency_limit,
    idempotency_key, result, error, error_class, exit_code, logs, metadata, spec_id, created_at, started_at,
    completed_at, updated_at, revision, shell, timeout_ms, liveness
