-- Migration 5 of `tasks`. A schedule ticks by cron in a zone, or every_ms from anchor_at on. template: JSON, what its
-- tasks are made of. next_at: the tick that comes next; null while it is paused, or where none is left. Its history has
-- a row per change and per tick, numbered by the schedule's revisions, and stays when the schedule is removed.
CREATE TABLE task_schedules (
    id TEXT PRIMARY KEY NOT NULL,
    project TEXT NOT NULL DEFAULT '',
    cron TEXT,
    every_ms INTEGER CHECK (every_ms > 0),
    zone TEXT NOT NULL DEFAULT 'UTC',
    anchor_at INTEGER NOT NULL,
    catch_up TEXT NOT NULL DEFAULT 'one' CHECK (catch_up IN ('none', 'one', 'all')),
    template TEXT NOT NULL,
    paused INTEGER NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    next_at INTEGER,
    last_at INTEGER,
    last_task TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    revision INTEGER NOT NULL DEFAULT 1,
    CONSTRAINT "cron_or_every" CHECK ((cron IS NULL) <> (every_ms IS NULL)),
    CONSTRAINT "paused_has_no_tick" CHECK (paused = 0 OR next_at IS NULL)
) STRICT;
CREATE INDEX idx_task_schedules_next ON task_schedules (next_at, id);
CREATE TABLE task_schedule_history (
    schedule_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    verb TEXT NOT NULL CHECK (verb IN ('add', 'set', 'pause', 'resume', 'tick', 'skip', 'remove')),
    actor TEXT NOT NULL,
    at INTEGER NOT NULL,
    tick INTEGER,
    task_id TEXT,
    reason TEXT,
    PRIMARY KEY (schedule_id, revision)
) STRICT;
