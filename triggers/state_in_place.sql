-- What version 5 of the state has added for work in place: chunks of other kinds than copy and verify, and of a chunk
-- that was looked at to the end, by which transaction, and which others it saw. Placeholders: none.
ALTER TABLE pgeist.chunks DROP CONSTRAINT IF EXISTS chunks_kind_check;
ALTER TABLE pgeist.chunks ADD COLUMN IF NOT EXISTS looked_in xid8, ADD COLUMN IF NOT EXISTS saw pg_snapshot;
