-- One at a time adds dependencies: of two that would close a circle together, the second sees the first. By the primary
-- key.
UPDATE taskstore_database SET epoch = epoch WHERE name = 'tasks'
