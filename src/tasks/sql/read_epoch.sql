-- By the primary key.
SELECT epoch FROM taskstore_database WHERE name = 'tasks'
