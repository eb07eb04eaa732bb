-- What both ways of capture need. @on_update@ logs a row whose key was changed, and what was touched; it is never true.
CREATE TRIGGER @prefix@_insert AFTER INSERT ON @table@ @on_insert@;
CREATE TRIGGER @prefix@_key_change AFTER UPDATE ON @table@
    FOR EACH ROW WHEN (@on_update@) EXECUTE FUNCTION @job@.capture_nothing();
CREATE TRIGGER @prefix@_truncate AFTER TRUNCATE ON @table@
    FOR EACH STATEMENT EXECUTE FUNCTION @job@.capture_truncated();
