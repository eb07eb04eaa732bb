-- no-transaction
CREATE UNIQUE INDEX CONCURRENTLY events_ref_key ON events (ref);
