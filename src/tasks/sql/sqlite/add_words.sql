-- Migration 4 of `tasks`. words: the tokens of title and description (sql/tokens.hpp), sorted, a space between two of
-- them; the program writes it, and triggers keep task_words, which search goes by: all of it within the statement that
-- writes the task. task_words is no table of its own for moves and backups: it follows from the rows of tasks.
ALTER TABLE tasks ADD COLUMN words TEXT;
CREATE TABLE task_words (
    token TEXT NOT NULL,
    at INTEGER NOT NULL,
    task_id TEXT NOT NULL,
    PRIMARY KEY (token, at, task_id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER task_words_added AFTER INSERT ON tasks WHEN new.words <> '' BEGIN
    INSERT INTO task_words (token, at, task_id)
    SELECT value, new.created_at, new.id FROM json_each('["' || replace(new.words, ' ', '","') || '"]') WHERE true
    ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER task_words_changed AFTER UPDATE OF id, created_at, words ON tasks
WHEN new.words IS NOT old.words OR new.id <> old.id OR new.created_at <> old.created_at BEGIN
    DELETE FROM task_words WHERE at = old.created_at AND task_id = old.id AND old.words <> ''
        AND token IN (SELECT value FROM json_each('["' || replace(old.words, ' ', '","') || '"]'));
    INSERT INTO task_words (token, at, task_id)
    SELECT value, new.created_at, new.id FROM json_each('["' || replace(new.words, ' ', '","') || '"]')
    WHERE new.words <> ''
    ON CONFLICT DO NOTHING;
END;
CREATE TRIGGER task_words_removed AFTER DELETE ON tasks WHEN old.words <> '' BEGIN
    DELETE FROM task_words WHERE at = old.created_at AND task_id = old.id
        AND token IN (SELECT value FROM json_each('["' || replace(old.words, ' ', '","') || '"]'));
END;
