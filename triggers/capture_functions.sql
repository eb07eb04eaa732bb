-- The trigger functions of one job. They write the keys of changed rows into the log and do nothing else; see log.sql.
-- @job@ the job's schema; @log_columns@ "k1, k2"; @columns@ the key's columns, as changed."id": unqualified, a
-- column called "found" would be ambiguous in PL/pgSQL; @key_types@ their types; @key_values@ "$1, $2"; @moved@ true where
-- one of them has another name than in these functions, or is gone; @quote@ a dollar quote's tag that stands in none of
-- the names.
-- SECURITY DEFINER: the application's roles have no rights on the log and must not need them. No dynamic SQL.
--
-- The application's statement never fails here, whatever others have done to the key's columns: what cannot be logged is
-- noted, as when the table was truncated, since then everything must be looked at again.
CREATE OR REPLACE FUNCTION @job@.capture_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    IF @moved@ THEN
        INSERT INTO @job@.pgeist_truncations (missed) VALUES (true);
    ELSE
        INSERT INTO @job@.pgeist_log (@log_columns@) SELECT @columns@ FROM pgeist_new AS changed;
    END IF;
    RETURN NULL;
END $@quote@$;

CREATE OR REPLACE FUNCTION @job@.capture_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    IF @moved@ THEN
        INSERT INTO @job@.pgeist_truncations (missed) VALUES (true);
    ELSE
        INSERT INTO @job@.pgeist_log (@log_columns@) SELECT @columns@ FROM pgeist_old AS changed;
    END IF;
    RETURN NULL;
END $@quote@$;

CREATE OR REPLACE FUNCTION @job@.capture_truncated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_truncations DEFAULT VALUES;
    RETURN NULL;
END $@quote@$;

-- For one row, asked by a trigger's WHEN, which knows columns by their numbers. It is asked when the row has just been
-- written, before any trigger fires: so also what triggers of the application do in between is logged in its order. The
-- triggers themselves have nothing left to do. Who writes must be allowed to call the function, but cannot name it: nobody
-- else may use the schema.
CREATE OR REPLACE FUNCTION @job@.capture_key(@key_types@) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@) VALUES (@key_values@);
    RETURN false;
END $@quote@$;

CREATE OR REPLACE FUNCTION @job@.capture_nothing() RETURNS trigger
LANGUAGE plpgsql AS $@quote@$
BEGIN
    RETURN NULL;
END $@quote@$;

REVOKE ALL ON FUNCTION @job@.capture_inserted(), @job@.capture_deleted(), @job@.capture_truncated(), @job@.capture_nothing() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @job@.capture_key(@key_types@) TO PUBLIC;
