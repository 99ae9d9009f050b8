-- Of migration 4: one insertion for all rows of a statement, where the server has transition tables.
DROP TRIGGER IF EXISTS task_words_added ON tasks;
CREATE OR REPLACE FUNCTION task_words_added() RETURNS trigger LANGUAGE plpgsql AS $words$
BEGIN
    INSERT INTO task_words (token, at, task_id)
    SELECT w.token, n.created_at, n.id FROM fresh n CROSS JOIN LATERAL unnest(string_to_array(n.words, ' ')) AS w (token)
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $words$;
CREATE TRIGGER task_words_added AFTER INSERT ON tasks REFERENCING NEW TABLE AS fresh
FOR EACH STATEMENT EXECUTE FUNCTION task_words_added();
