-- What both ways of capture need. @rekeyed@ the function for a row whose key was changed.
CREATE TRIGGER @prefix@_key_change AFTER UPDATE ON @table@
    FOR EACH ROW WHEN (@key_changed@) EXECUTE FUNCTION @job@.@rekeyed@();
CREATE TRIGGER @prefix@_truncate AFTER TRUNCATE ON @table@
    FOR EACH STATEMENT EXECUTE FUNCTION @job@.capture_truncated();
