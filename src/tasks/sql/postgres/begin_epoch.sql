-- When an epoch begins (sql/identity.hpp): the numbers of history rows go on above its own, and above those of rows that
-- came from elsewhere. By the primary key of task_history.
SELECT setval('task_history_seq', greatest(
    nextval('task_history_seq'),
    (SELECT coalesce(max(seq), 0) FROM task_history),
    (SELECT epoch << 20 FROM taskstore_database WHERE name = 'tasks')))
