-- What capture needs besides where a row that lived through keeps what nobody has touched: which columns a change has
-- touched, as a log row of its own, `touched` with a bit for each (the first one is for those whom the comparison asks for).
-- `number` as that of links, see keep_history.sql: a touch belongs to the row that was under the key then.
-- An UPDATE that touches nothing of it comes no further than the comparison of those columns. Placeholders as in
-- keep_history.sql; @touched_bits@ their number; @touched_value@ the parameter behind the key's.
CREATE FUNCTION @job@.capture_touched(@key_types@, bit varying) RETURNS boolean
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $@quote@$
BEGIN
    INSERT INTO @job@.pgeist_log (@log_columns@, touched, number) VALUES (@key_values@, @touched_value@, pg_current_wal_insert_lsn());
    RETURN false;
END $@quote@$;

GRANT EXECUTE ON FUNCTION @job@.capture_touched(@key_types@, bit varying) TO PUBLIC;

-- The touches of a batch that follows links, with an index. Filled and emptied within it.
CREATE UNLOGGED TABLE @job@.pgeist_touches (@key_columns@, number pg_lsn, touched bit(@touched_bits@));
CREATE INDEX ON @job@.pgeist_touches (@log_columns@, number);

-- What must be known of a row for longer than its log rows are there: that it was made since, or touched, and, for columns
-- that kept a value which nothing else gives any more, the digest of what both sides had, by their bits.
CREATE TABLE @job@.pgeist_since (@key_columns@, made boolean NOT NULL, touched bit(@touched_bits@) NOT NULL, held text[]);
CREATE INDEX ON @job@.pgeist_since (@log_columns@);
ALTER TABLE @job@.pgeist_since REPLICA IDENTITY FULL;
