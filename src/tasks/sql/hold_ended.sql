-- Holds tasks as they are till the transaction ends, in one order: nobody begins to wait for one meanwhile. By the
-- primary key.
SELECT id FROM tasks WHERE id IN (@ids@) ORDER BY id @for_update@
