-- What version 3 of the state has added. Takes no lock on pgeist.jobs, which a run has locked as long as an index build takes.
-- Placeholders: none.
-- Where a publication takes in all tables, the server refuses to delete from tables without an identity.
ALTER TABLE pgeist.chunks REPLICA IDENTITY FULL;
ALTER TABLE pgeist.events REPLICA IDENTITY FULL;
COMMENT ON SCHEMA pgeist IS 'pgeist: state of online table changes, version 3';
