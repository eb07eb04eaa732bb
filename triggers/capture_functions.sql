-- The trigger functions of one job. They write the keys of changed rows into the log and do nothing else; see log.sql.
-- @job@ the job's schema; @log_columns@ "k1, k2"; @columns@ the key's columns, as changed."id": unqualified, a
-- column called "found" would be ambiguous in PL/pgSQL; @new_row@ / @old_row@ the same of NEW and OLD;
-- @quote@ a dollar quote's tag that stands in none of the names.
-- SECURITY DEFINER: the application's roles have no rights on the log and must not need them. No dynamic SQL.
CREATE FUNCTION @job@.capture_inserted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@) SELECT @columns@ FROM pgeist_new AS changed;
    RETURN NULL;
END $@quote@$;

CREATE FUNCTION @job@.capture_deleted() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@) SELECT @columns@ FROM pgeist_old AS changed;
    RETURN NULL;
END $@quote@$;

CREATE FUNCTION @job@.capture_new_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@) VALUES (@new_row@);
    RETURN NULL;
END $@quote@$;

CREATE FUNCTION @job@.capture_old_key() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@) VALUES (@old_row@);
    RETURN NULL;
END $@quote@$;

CREATE FUNCTION @job@.capture_truncated() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_truncations DEFAULT VALUES;
    RETURN NULL;
END $@quote@$;

REVOKE ALL ON FUNCTION @job@.capture_inserted(), @job@.capture_deleted(), @job@.capture_new_key(),
    @job@.capture_old_key(), @job@.capture_truncated() FROM PUBLIC;
