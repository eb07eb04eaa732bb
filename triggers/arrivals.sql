-- Where history is kept: all that has come under a key, births and links, with an index. Filled and emptied within one batch.
-- Placeholders as in keep_history.sql.
CREATE UNLOGGED TABLE @job@.pgeist_arrivals (@key_columns@, @from_columns@, number pg_lsn, linked boolean);
CREATE INDEX ON @job@.pgeist_arrivals (@log_columns@, number);
