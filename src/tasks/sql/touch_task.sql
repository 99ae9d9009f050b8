-- Holds a task as it is till the transaction ends: nobody completes it meanwhile. By the primary key.
UPDATE tasks SET updated_at = updated_at WHERE id = ?1
