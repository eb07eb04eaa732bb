-- What capture needs besides where replay must know which row is which: whether a row under a logged key was made since,
-- and from which key one has come. Log, link and birth are written as log.sql says, by INSERTs alone.
-- In the log `born` is the number of the INSERT that made the row; NULL for all other changes. A row that is there now has come
-- under its key by the last of its births and links, whatever else the log says. Numbers are drawn while the key is held, by
-- the transaction that took it: so they are in the order in which rows have come under one key, and whoever sees a later one
-- sees those before. Placeholders as in log.sql and capture_functions.sql; @from_columns@ "f1 type COLLATE …, f2 …";
-- @from_names@ "f1, f2"; @events@ the sequence, a literal.
CREATE SEQUENCE @job@.pgeist_events;

CREATE TABLE @job@.pgeist_links (@key_columns@, @from_columns@, number bigint) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);
ALTER TABLE @job@.pgeist_links REPLICA IDENTITY FULL;

CREATE OR REPLACE FUNCTION @job@.capture_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
<<pgeist>>
DECLARE
    number bigint := pg_catalog.nextval(@events@);
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@, born) SELECT @columns@, pgeist.number FROM pgeist_new AS changed;
    RETURN NULL;
END $@quote@$;

CREATE FUNCTION @job@.capture_updated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@) SELECT @columns@ FROM pgeist_new AS changed;
    RETURN NULL;
END $@quote@$;

CREATE FUNCTION @job@.capture_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@, born) VALUES (@new_row@, pg_catalog.nextval(@events@));
    RETURN NULL;
END $@quote@$;

-- The key before is logged too: there may be another row under it now, or none.
CREATE FUNCTION @job@.capture_rekeyed() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@) VALUES (@old_row@);
    INSERT INTO @job@.pgeist_links (@log_columns@, @from_names@, number) VALUES (@new_row@, @old_row@, pg_catalog.nextval(@events@));
    RETURN NULL;
END $@quote@$;

REVOKE ALL ON FUNCTION @job@.capture_updated(), @job@.capture_born(), @job@.capture_rekeyed() FROM PUBLIC;
