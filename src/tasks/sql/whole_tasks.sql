-- All of tasks, and how late a state it is. By the primary key.
SELECT @columns@, rank, words, @epoch@
FROM tasks WHERE id IN (@ids@) ORDER BY id
