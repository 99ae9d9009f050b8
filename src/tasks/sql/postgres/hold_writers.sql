-- Waits for those who are writing tasks by the setting of before, and keeps others waiting till the commit: a statement
-- takes its snapshot after its locks, so whoever writes after it ranks by the new one.
LOCK TABLE tasks IN SHARE ROW EXCLUSIVE MODE
