-- What both ways of capture need, and the enabling of all: ALWAYS, so that writes under session_replication_role = replica
-- are captured too.
CREATE TRIGGER @prefix@_key_change AFTER UPDATE ON @table@
    FOR EACH ROW WHEN (@key_changed@) EXECUTE FUNCTION @job@.capture_old_key();
CREATE TRIGGER @prefix@_truncate AFTER TRUNCATE ON @table@
    FOR EACH STATEMENT EXECUTE FUNCTION @job@.capture_truncated();

ALTER TABLE @table@
    ENABLE ALWAYS TRIGGER @prefix@_insert, ENABLE ALWAYS TRIGGER @prefix@_update, ENABLE ALWAYS TRIGGER @prefix@_delete,
    ENABLE ALWAYS TRIGGER @prefix@_key_change, ENABLE ALWAYS TRIGGER @prefix@_truncate;
