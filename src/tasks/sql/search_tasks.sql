-- The head of a search; conditions and order follow. Newest first it goes by the primary key of task_words, of the word
-- that the fewest tasks have, and looks for each task's other words by that key too.
SELECT @columns@, rank
FROM task_words found CROSS JOIN tasks
