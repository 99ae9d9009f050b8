-- Migration 4 of `tasks`. words: the tokens of title and description (sql/tokens.hpp), sorted, a space between two of
-- them; the program writes it, and triggers keep task_words, which search goes by: all of it within the statement that
-- writes the task. task_words is no table of its own for moves and backups: it follows from the rows of tasks.
ALTER TABLE tasks ADD COLUMN words TEXT COLLATE "C";
CREATE TABLE task_words (
    token TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (token, at, task_id)
);
