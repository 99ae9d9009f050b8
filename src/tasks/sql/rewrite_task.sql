-- What people set, as a whole, if the task is as it was read. By the primary key.
UPDATE tasks SET
    project = ?4, title = ?5, description = ?6, command = ?7, input = ?8, priority = ?9, agent_type = ?10,
    capabilities = ?11, max_attempts = ?12, max_rescues = ?13, backoff = ?14, backoff_base_ms = ?15,
    backoff_cap_ms = ?16, backoff_jitter = ?17, lease_ms = ?18, not_before = ?19, deadline = ?20,
    on_failed_dependency = ?21, concurrency_key = ?22, concurrency_limit = ?23, metadata = ?24,
    spec_id = ?25, parent = ?26, lane = ?27, rank = (100 - CAST(?9 AS BIGINT)) * @ageing@ / 10 + CAST(?28 AS BIGINT), shell = ?30, timeout_ms = ?31,
    ready = CASE WHEN status = 'pending' AND open_dependencies = 0 AND ?29 = 1 THEN 1 ELSE 0 END,
    updated_at = @now@, revision = revision + 1, last_write = ?32, depends_on = ?33, words = ?34
WHERE id = ?2 AND revision = ?3
RETURNING @columns@
