-- Migration 3 of `tasks`. liveness: by what the host sees whether the holder of a task lives (work/liveness.hpp has the
-- grammar); null where only the lease tells. shell = 1: the command is a line for sh, else words. timeout_ms: how long
-- the command may run.
ALTER TABLE tasks ADD COLUMN shell INTEGER NOT NULL DEFAULT 0 CHECK (shell IN (0, 1));
ALTER TABLE tasks ADD COLUMN timeout_ms INTEGER CHECK (timeout_ms > 0);
ALTER TABLE tasks ADD COLUMN liveness TEXT;
CREATE INDEX idx_tasks_liveness ON tasks (liveness, id) WHERE liveness IS NOT NULL;
