-- Migration 4 of `tasks`. words: the tokens of title and description (sql/tokens.hpp), sorted, a space between two of
-- them; the program writes it, and triggers keep task_words, which search goes by: all of it within the statement that
-- writes the task. task_words is no table of its own for moves and backups: it follows from the rows of tasks.
-- PL/pgSQL is there unless somebody has dropped it, and an owner of the database may make it.
CREATE EXTENSION IF NOT EXISTS plpgsql;
ALTER TABLE tasks ADD COLUMN words TEXT COLLATE "C";
CREATE TABLE task_words (
    token TEXT COLLATE "C" NOT NULL,
    at BIGINT NOT NULL,
    task_id TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (token, at, task_id)
);
CREATE FUNCTION task_words_added() RETURNS trigger LANGUAGE plpgsql AS $words$
BEGIN
    INSERT INTO task_words (token, at, task_id)
    SELECT w.token, n.created_at, n.id FROM fresh n CROSS JOIN LATERAL unnest(string_to_array(n.words, ' ')) AS w (token)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $words$;
CREATE FUNCTION task_words_changed() RETURNS trigger LANGUAGE plpgsql AS $words$
BEGIN
    DELETE FROM task_words
    WHERE token = ANY (string_to_array(old.words, ' ')) AND at = old.created_at AND task_id = old.id;
    IF TG_OP = 'UPDATE' THEN
        INSERT INTO task_words (token, at, task_id)
        SELECT w.token, new.created_at, new.id FROM unnest(string_to_array(new.words, ' ')) AS w (token)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $words$;
CREATE TRIGGER task_words_added AFTER INSERT ON tasks REFERENCING NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION task_words_added();
CREATE TRIGGER task_words_changed AFTER UPDATE OF id, created_at, words ON tasks FOR EACH ROW
WHEN (new.words IS DISTINCT FROM old.words OR new.id <> old.id OR new.created_at <> old.created_at)
EXECUTE FUNCTION task_words_changed();
CREATE TRIGGER task_words_removed AFTER DELETE ON tasks FOR EACH ROW WHEN (old.words <> '')
EXECUTE FUNCTION task_words_changed();
