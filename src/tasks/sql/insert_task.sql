-- One new task; ?29 is its age, as ranks count it.
INSERT INTO tasks (
    id, project, title, description, command, input, priority, agent_type, capabilities, max_attempts,
    max_rescues, backoff, backoff_base_ms, backoff_cap_ms, backoff_jitter, lease_ms, not_before, deadline,
    depends_on, on_failed_dependency, parent, concurrency_key, concurrency_limit, idempotency_key, metadata,
    spec_id, created_at, lane, rank, ready,
    shell, timeout_ms, words, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
    ?24, ?25, ?26, ?27, ?28, (100 - CAST(?7 AS BIGINT)) * @ageing@ / 10 + CAST(?29 AS BIGINT), ?30, ?31, ?32, ?33, ?27)
