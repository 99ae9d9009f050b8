-- As claim_one.sql, of the task that find_claimable.sql found: ?10 is its time, ?11 its epoch, ?12 its id.
UPDATE tasks SET @claimed@ WHERE id = ?12
