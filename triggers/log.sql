-- The change log of one job and the tables beside it. Their names begin with pgeist_ because the shadow, which may be called
-- "log", lives in the same schema.
-- @job@ the job's schema; @key_columns@ "k1 type COLLATE …, k2 …": the key's types and collations, so that keys that are
-- equal without being the same bytes coalesce as the key's index sees them; @beside_the_key@ more columns of the log where
-- history is kept, see keep_history.sql and keep_touched.sql.
--
-- The log only ever gets INSERTs from the application's transactions; it has no index and no constraint, so that nothing in
-- it can make the application wait or fail. Autovacuum stays away: replay reads the log by block ranges and empties it.
CREATE TABLE @job@.pgeist_log (@key_columns@@beside_the_key@) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);

-- One row for each TRUNCATE of the source, and for each statement of which the keys could not be logged (`missed`).
CREATE TABLE @job@.pgeist_truncations (at timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(), missed boolean NOT NULL DEFAULT false);

-- Keys that verification has to look at again: pending in the log when they were compared, or repaired since.
CREATE TABLE @job@.pgeist_recheck (@key_columns@, repaired boolean NOT NULL);

-- Where a publication takes in all tables, the server refuses to delete from tables without an identity.
ALTER TABLE @job@.pgeist_log REPLICA IDENTITY FULL;
ALTER TABLE @job@.pgeist_truncations REPLICA IDENTITY FULL;
ALTER TABLE @job@.pgeist_recheck REPLICA IDENTITY FULL;
