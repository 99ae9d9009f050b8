-- Of migration 4: triggers that keep task_words by the column words, row by row. It may run again.
CREATE OR REPLACE FUNCTION task_words_changed() RETURNS trigger LANGUAGE plpgsql AS $words$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        DELETE FROM task_words
        WHERE token = ANY (string_to_array(old.words, ' ')) AND at = old.created_at AND task_id = old.id;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO task_words (token, at, task_id)
        SELECT w.token, new.created_at, new.id FROM unnest(string_to_array(new.words, ' ')) AS w (token)
        ON CONFLICT DO NOTHING;
    END IF;
    RETURN NULL;
END $words$;
DROP TRIGGER IF EXISTS task_words_added ON tasks;
CREATE TRIGGER task_words_added AFTER INSERT ON tasks FOR EACH ROW WHEN (new.words <> '')
EXECUTE FUNCTION task_words_changed();
DROP TRIGGER IF EXISTS task_words_changed ON tasks;
CREATE TRIGGER task_words_changed AFTER UPDATE OF id, created_at, words ON tasks FOR EACH ROW
WHEN (new.words IS DISTINCT FROM old.words OR new.id <> old.id OR new.created_at <> old.created_at)
EXECUTE FUNCTION task_words_changed();
DROP TRIGGER IF EXISTS task_words_removed ON tasks;
CREATE TRIGGER task_words_removed AFTER DELETE ON tasks FOR EACH ROW WHEN (old.words <> '')
EXECUTE FUNCTION task_words_changed();
