-- Whether there is any: what follows asks for more than every server knows.
SELECT id FROM task_sessions LIMIT 1
