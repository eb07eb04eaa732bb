-- What both ways of capture need. @rekeyed@ logs a row whose key was changed.
CREATE TRIGGER @prefix@_insert AFTER INSERT ON @table@ @on_insert@;
CREATE TRIGGER @prefix@_key_change AFTER UPDATE ON @table@
    FOR EACH ROW WHEN (CASE WHEN @key_changed@ THEN @job@.@rekeyed@ ELSE false END) EXECUTE FUNCTION @job@.capture_nothing();
CREATE TRIGGER @prefix@_truncate AFTER TRUNCATE ON @table@
    FOR EACH STATEMENT EXECUTE FUNCTION @job@.capture_truncated();
