-- What capture needs besides where replay must know which row is which: whether a row under a logged key was made since,
-- and from which key one has come. Log, link and birth are written as log.sql says, by INSERTs alone.
-- In the log `born` is the number of the INSERT that made the row; NULL for all other changes. A row that is there now has come
-- under its key by the last of its births and links, whatever else the log says. Numbers are drawn while the key is held, by
-- the transaction that took it, and at once when it was taken (see capture_functions.sql): so they are in the order in which
-- rows have come under one key, and whoever sees a later one sees those before. Placeholders as in log.sql and
-- capture_functions.sql; @from_columns@ "f1 type COLLATE …, f2 …"; @from_names@ "f1, f2"; @from_values@ "$3, $4";
-- @events@ the sequence, a literal.
CREATE SEQUENCE @job@.pgeist_events;

CREATE TABLE @job@.pgeist_links (@key_columns@, @from_columns@, number bigint) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);
ALTER TABLE @job@.pgeist_links REPLICA IDENTITY FULL;

CREATE FUNCTION @job@.capture_birth(@key_types@) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@, born) VALUES (@key_values@, pg_catalog.nextval(@events@));
    RETURN false;
END $@quote@$;

-- The key, and the one before, which is logged too: there may be another row under it now, or none.
CREATE FUNCTION @job@.capture_link(@key_types@, @key_types@) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@) VALUES (@from_values@);
    INSERT INTO @job@.pgeist_links (@log_columns@, @from_names@, number)
        VALUES (@key_values@, @from_values@, pg_catalog.nextval(@events@));
    RETURN false;
END $@quote@$;

GRANT EXECUTE ON FUNCTION @job@.capture_birth(@key_types@), @job@.capture_link(@key_types@, @key_types@) TO PUBLIC;
