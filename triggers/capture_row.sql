-- Capture by row triggers, where statement triggers would not fire for every change: partitions and inheritance children
-- written through their parent, by a subscription too, and where appliers like pglogical's are installed; and where a writer has
-- a temp_file_limit, which the rows kept for statement triggers could reach. Placeholders as in capture_statement.sql;
-- @inserted_row@ the function for a new row.
CREATE TRIGGER @prefix@_insert AFTER INSERT ON @table@ FOR EACH ROW EXECUTE FUNCTION @job@.@inserted_row@();
CREATE TRIGGER @prefix@_update AFTER UPDATE ON @table@ FOR EACH ROW EXECUTE FUNCTION @job@.capture_new_key();
CREATE TRIGGER @prefix@_delete AFTER DELETE ON @table@ FOR EACH ROW EXECUTE FUNCTION @job@.capture_old_key();
