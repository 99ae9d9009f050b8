-- How many tasks have a word, up to a bound. By the primary key of task_words.
SELECT count(*) FROM (SELECT 1 FROM task_words WHERE token = ?1 LIMIT 1000) counted
