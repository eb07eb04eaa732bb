-- The tables for rows that do not fit the write side. @table@ the write side, wherever it is now; @kept@ its columns as
-- `t."id" AS c1, …`; @of_log@ the log's key, as `l.k1, l.k2`; @log_columns@ "k1, k2"; @job@ the transfer's schema.
-- Types and collations come from both tables themselves. `lived`: the write side had the row (c1 … are its values).
CREATE TABLE @job@.pgeist_unfit AS
    SELECT @of_log@, true AS lived, @kept@, ''::text AS state, ''::text AS reason, pg_catalog.clock_timestamp() AS since
      FROM @job@.pgeist_log AS l, @table@ AS t WITH NO DATA;
CREATE INDEX ON @job@.pgeist_unfit (@log_columns@);
-- Each batch asks for those that are in each other's way.
CREATE INDEX ON @job@.pgeist_unfit (state) WHERE state IN ('23505', '23P01');
ALTER TABLE @job@.pgeist_unfit REPLICA IDENTITY FULL;

-- What one batch works with, numbered. @of_batch@ what is remembered of its rows, see keep_touched.sql. Filled and emptied in one transaction, so nobody else ever sees a row of it.
CREATE UNLOGGED TABLE @job@.pgeist_batch AS
    SELECT 0::bigint AS n, @of_log@, true AS lived, @kept@, ''::text AS state, ''::text AS reason, pg_catalog.clock_timestamp() AS since@of_batch@
      FROM @job@.pgeist_log AS l, @table@ AS t WITH NO DATA;
CREATE INDEX ON @job@.pgeist_batch (n);
CREATE INDEX ON @job@.pgeist_batch (@log_columns@);

-- The rows of a batch as they would be, without any constraint: to find those that are in each other's way.
CREATE UNLOGGED TABLE @job@.pgeist_stage (LIKE @job@.pgeist_batch);
CREATE INDEX ON @job@.pgeist_stage (n);

-- Rows of both sides as values. @read@ the read side, wherever it is now; @read_columns@ and @write_columns@ as `t."id", …`.
CREATE TABLE @job@.pgeist_read_row AS SELECT @read_columns@ FROM @read@ AS t WITH NO DATA;
CREATE TABLE @job@.pgeist_write_row AS SELECT @write_columns@ FROM @table@ AS t WITH NO DATA;
