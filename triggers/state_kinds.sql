-- What version 4 of the state has added: of which kind the work of a job is. Placeholders: none.
ALTER TABLE pgeist.jobs ADD COLUMN IF NOT EXISTS kind text NOT NULL DEFAULT 'copy';
COMMENT ON SCHEMA pgeist IS 'pgeist: state of online table changes, version 4';
