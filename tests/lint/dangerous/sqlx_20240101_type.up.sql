-- finds: changing-column-type error
ALTER TABLE events ALTER COLUMN id TYPE bigint;
