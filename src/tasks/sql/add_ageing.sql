-- Migration 6 of `tasks`. After how long a task counts as one of ten more priority; null, or no row: never. One row, so
-- that all who write tasks rank them alike. stale = 1: of the tasks that were pending when it was set, those from
-- (next_created_at, next_id) on may have ranks of before. change is drawn anew with each setting.
CREATE TABLE task_ageing (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    ageing_ms BIGINT CHECK (ageing_ms > 0),
    change BIGINT NOT NULL,
    stale BIGINT NOT NULL CHECK (stale IN (0, 1)),
    next_created_at BIGINT NOT NULL,
    next_id TEXT NOT NULL
);
