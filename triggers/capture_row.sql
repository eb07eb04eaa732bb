-- Capture by row triggers, where statement triggers would not fire for every change: partitions and inheritance children
-- written through their parent, by a subscription too, and where appliers like pglogical's are installed; and where a writer has
-- a temp_file_limit, which the rows kept for statement triggers could reach. Placeholders as in capture_statement.sql;
-- @new_row@ / @old_row@ the key's columns of NEW and OLD.
CREATE TRIGGER @prefix@_update AFTER UPDATE ON @table@
    FOR EACH ROW WHEN (@job@.capture_key(@new_row@)) EXECUTE FUNCTION @job@.capture_nothing();
CREATE TRIGGER @prefix@_delete AFTER DELETE ON @table@
    FOR EACH ROW WHEN (@job@.capture_key(@old_row@)) EXECUTE FUNCTION @job@.capture_nothing();
