-- Migration 9 of `tasks`. How long (ms) others are to miss the session before they free what its program holds: the program
-- itself ends its commands by then. Null: it did not say.
ALTER TABLE task_sessions ADD COLUMN grace_ms BIGINT;
