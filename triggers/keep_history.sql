-- What capture needs besides where replay must know which row is which: whether a row under a logged key was made since,
-- and from which key one has come. Log, link and birth are written as log.sql says, by INSERTs alone.
-- In the log `born` is the number of the INSERT that made the row; NULL for all other changes. A row that is there now has come
-- under its key by the last of its births and links, whatever else the log says. Numbers are places in the WAL, which costs
-- nobody a wait: whoever takes a key over from another transaction reads a later one, since that one's commit lies between,
-- and so does whoever reads one after another was logged. Placeholders as in log.sql and capture_functions.sql;
-- @from_columns@ "f1 type COLLATE …, f2 …"; @from_names@ "f1, f2"; @from_values@ "$3, $4"; @links@ their table, a literal;
-- @oid@ of the table that is written to.
--
-- Links are numbered at once when the key was taken (see capture_functions.sql), births when the statement that makes the
-- rows ends. What happens to keys meanwhile, by its own doing or by triggers and functions that it calls, has lower numbers
-- than births that came before. In which order it was is told by the server's count of rows that the transaction has inserted
-- into the table: a link says where it stood, the births of a statement where it stood at the end. It is needed where a
-- transaction has changed a key before, and rare: births beside the log, see births_before_links.sql. (The count goes on over
-- rows whose INSERT failed, or found another's row under ON CONFLICT just then: a statement in which a key is changed and such
-- a thing happens to another INSERT is told wrong. So is one in which keys are changed while a superuser has track_counts off.)
CREATE TABLE @job@.pgeist_links (@key_columns@, @from_columns@, number pg_lsn, transaction xid8, inserted bigint)
    WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);
ALTER TABLE @job@.pgeist_links REPLICA IDENTITY FULL;

-- `place` is `born` in the log; `statement` is the number of all that one has made.
CREATE TABLE @job@.pgeist_births (@key_columns@, statement pg_lsn, place pg_lsn, transaction xid8, inserted bigint)
    WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);
ALTER TABLE @job@.pgeist_births REPLICA IDENTITY FULL;

-- Of all rows that a statement has made. What is not qualified could be a column of the table. One condition for all that is
-- rare, since each is dear beside an INSERT of one row.
CREATE FUNCTION @job@.capture_born() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    IF @moved@ OR pg_stat_get_xact_tuples_inserted(@links@::regclass) > 0 THEN
        IF @moved@ THEN
            INSERT INTO @job@.pgeist_truncations (missed) VALUES (true);
        ELSE
            WITH noted AS (
                INSERT INTO @job@.pgeist_births (@log_columns@, statement, place, transaction, inserted)
                    SELECT @columns@, (SELECT pg_current_wal_insert_lsn()), pg_current_wal_insert_lsn(), pg_current_xact_id(),
                           pg_stat_get_xact_tuples_inserted(@oid@)
                      FROM pgeist_new AS changed
                 RETURNING @log_columns@, place)
            INSERT INTO @job@.pgeist_log (@log_columns@, born) SELECT @log_columns@, place FROM noted;
        END IF;
    ELSE
        INSERT INTO @job@.pgeist_log (@log_columns@, born)
            SELECT @columns@, pg_current_wal_insert_lsn() FROM pgeist_new AS changed;
    END IF;
    RETURN NULL;
END $@quote@$;

-- Of one row, where there are no statement triggers: numbered at once, too.
CREATE FUNCTION @job@.capture_birth(@key_types@) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@, born) VALUES (@key_values@, pg_current_wal_insert_lsn());
    RETURN false;
END $@quote@$;

-- The key, and the one before, which is logged too: there may be another row under it now, or none.
CREATE FUNCTION @job@.capture_link(@key_types@, @key_types@) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@) VALUES (@from_values@);
    INSERT INTO @job@.pgeist_links (@log_columns@, @from_names@, number, transaction, inserted)
        VALUES (@key_values@, @from_values@, pg_current_wal_insert_lsn(), pg_current_xact_id(),
                pg_stat_get_xact_tuples_inserted(@oid@));
    RETURN false;
END $@quote@$;

REVOKE ALL ON FUNCTION @job@.capture_born() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION @job@.capture_birth(@key_types@), @job@.capture_link(@key_types@, @key_types@) TO PUBLIC;
