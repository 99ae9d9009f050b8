-- Migration 2 of `tasks`. Where there is no server whose clock counts, the database has a time of its own: the host's
-- CLOCK_MONOTONIC in milliseconds plus offset_ms, which is near wall time. One row. boot_id: of the boot that the offset
-- belongs to, and the epoch that the database had. When the wall clock is set, or the machine slept, the offset moves and the leases that are held move with
-- it, in one transaction: none runs out by that. Not carried by moves and backups.
CREATE TABLE task_clock (
    id BIGINT PRIMARY KEY NOT NULL CHECK (id = 1),
    boot_id TEXT NOT NULL,
    offset_ms BIGINT NOT NULL
);
