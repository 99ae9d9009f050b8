SELECT @columns@, rank FROM tasks WHERE id = ?12
