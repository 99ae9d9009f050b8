-- The words of many tasks: an object of them by id. By the primary key.
UPDATE tasks SET words = given.value FROM json_each_text(?1::text::json) AS given WHERE tasks.id = given.key
