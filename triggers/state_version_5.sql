-- The last file of version 5 of the state. Placeholders: none.
COMMENT ON SCHEMA pgeist IS 'pgeist: state of online table changes, version 5';
