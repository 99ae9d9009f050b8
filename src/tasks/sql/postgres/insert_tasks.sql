-- Many new tasks; each parameter is the array of a column.
INSERT INTO tasks (
    id, project, title, description, command, input, priority, agent_type, capabilities, max_attempts,
    max_rescues, backoff, backoff_base_ms, backoff_cap_ms, backoff_jitter, lease_ms, not_before, deadline,
    depends_on, on_failed_dependency, parent, concurrency_key, concurrency_limit, idempotency_key, metadata,
    spec_id, created_at, lane, rank, ready,
    shell, timeout_ms, words, updated_at)
SELECT
    n.id, n.project, n.title, n.description, n.command, n.input, n.priority, n.agent_type, n.capabilities,
    n.max_attempts, n.max_rescues, n.backoff, n.backoff_base_ms, n.backoff_cap_ms, n.backoff_jitter,
    n.lease_ms, n.not_before, n.deadline, n.depends_on, n.on_failed_dependency, n.parent, n.concurrency_key,
    n.concurrency_limit, n.idempotency_key, n.metadata, n.spec_id, n.created_at, n.lane, (100 - n.priority) * @ageing@ / 10 + n.made_at, n.ready,
    n.shell, n.timeout_ms, n.words, n.created_at
FROM unnest(
    ?1::text[], ?2::text[], ?3::text[], ?4::text[], ?5::text[], ?6::text[], ?7::bigint[], ?8::text[],
    ?9::text[], ?10::bigint[], ?11::bigint[], ?12::text[], ?13::bigint[], ?14::bigint[], ?15::bigint[],
    ?16::bigint[], ?17::bigint[], ?18::bigint[], ?19::text[], ?20::text[], ?21::text[], ?22::text[],
    ?23::bigint[], ?24::text[], ?25::text[], ?26::text[], ?27::bigint[], ?28::bigint[], ?29::bigint[],
    ?30::bigint[], ?31::bigint[], ?32::bigint[], ?33::text[])
    AS n (
    id, project, title, description, command, input, priority, agent_type, capabilities, max_attempts,
    max_rescues, backoff, backoff_base_ms, backoff_cap_ms, backoff_jitter, lease_ms, not_before, deadline,
    depends_on, on_failed_dependency, parent, concurrency_key, concurrency_limit, idempotency_key, metadata,
    spec_id, created_at, lane, made_at, ready, shell, timeout_ms, words)
