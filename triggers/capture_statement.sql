-- Capture by statement triggers: one log INSERT per statement, whatever the number of rows.
-- @table@ the source; @job@ the job's schema; @prefix@ the triggers' common name; @key_changed@ true for a row whose key the
-- UPDATE changes: only then the old key must be logged too.
CREATE TRIGGER @prefix@_update AFTER UPDATE ON @table@
    REFERENCING NEW TABLE AS pgeist_new FOR EACH STATEMENT EXECUTE FUNCTION @job@.capture_inserted();
CREATE TRIGGER @prefix@_delete AFTER DELETE ON @table@
    REFERENCING OLD TABLE AS pgeist_old FOR EACH STATEMENT EXECUTE FUNCTION @job@.capture_deleted();
