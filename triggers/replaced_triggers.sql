-- The triggers of replaced_function.sql, made in the swap's transaction: @old@ the replaced table where it is now; @name@ the
-- table's name, a literal; @job@ the job's schema; @unless@ nothing, or a WHEN that lets those pass who show what has the
-- right digest: a job that keeps the table in step. One for each row too: appliers of logical replication fire no others.
CREATE TRIGGER pgeist_replaced BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON @old@
    FOR EACH STATEMENT @unless@ EXECUTE FUNCTION @job@.table_was_replaced(@name@);
CREATE TRIGGER pgeist_replaced_row BEFORE INSERT OR UPDATE OR DELETE ON @old@
    FOR EACH ROW @unless@ EXECUTE FUNCTION @job@.table_was_replaced(@name@);
ALTER TABLE @old@ ENABLE ALWAYS TRIGGER pgeist_replaced, ENABLE ALWAYS TRIGGER pgeist_replaced_row
