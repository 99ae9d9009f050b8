-- Migration 5 of `tasks`. A schedule ticks by cron in a zone, or every_ms from anchor_at on. template: JSON, what its
-- tasks are made of. next_at: the tick that comes next; null while it is paused, or where none is left. Its history has
-- a row per change and per tick, numbered by the schedule's revisions, and stays when the schedule is removed.
CREATE TABLE task_schedules (
    id TEXT COLLATE "C" PRIMARY KEY NOT NULL,
    project TEXT COLLATE "C" NOT NULL DEFAULT '',
    cron TEXT COLLATE "C",
    every_ms BIGINT CHECK (every_ms > 0),
    zone TEXT COLLATE "C" NOT NULL DEFAULT 'UTC',
    anchor_at BIGINT NOT NULL,
    catch_up TEXT COLLATE "C" NOT NULL DEFAULT 'one' CHECK (catch_up IN ('none', 'one', 'all')),
    template TEXT COLLATE "C" NOT NULL,
    paused BIGINT NOT NULL DEFAULT 0 CHECK (paused IN (0, 1)),
    next_at BIGINT,
    last_at BIGINT,
    last_task TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    revision BIGINT NOT NULL DEFAULT 1,
    CONSTRAINT "cron_or_every" CHECK ((cron IS NULL) <> (every_ms IS NULL)),
    CONSTRAINT "paused_has_no_tick" CHECK (paused = 0 OR next_at IS NULL)
);
CREATE INDEX idx_task_schedules_next ON task_schedules (next_at, id);
CREATE TABLE task_schedule_history (
    schedule_id TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    verb TEXT COLLATE "C" NOT NULL CHECK (verb IN ('add', 'set', 'pause', 'resume', 'tick', 'skip', 'remove')),
    actor TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    tick BIGINT,
    task_id TEXT COLLATE "C",
    reason TEXT COLLATE "C",
    PRIMARY KEY (schedule_id, revision)
);
