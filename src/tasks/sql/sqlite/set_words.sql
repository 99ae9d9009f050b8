-- The words of many tasks: an object of them by id. By the primary key.
UPDATE tasks SET words = given.value FROM json_each(?1) AS given WHERE tasks.id = given.key
