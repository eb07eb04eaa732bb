-- The wall for late writers, made before the swap. Whoever still knows the replaced table by its OID must not write into it
-- as if nothing had happened, because what he writes would be lost: the parsed body of an SQL function, say, that waited for
-- the swap's lock. He gets an error that asks for another try, which then finds the new table.
-- @job@ the job's schema; @owner@ its owner, so that each role that may go on with the job can make it again. Placeholders
-- of the triggers: replaced_triggers.sql.
-- Who is let through, the triggers say.
CREATE OR REPLACE FUNCTION @job@.table_was_replaced() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $pgeist$
BEGIN
    RAISE EXCEPTION 'table % was replaced; retry the transaction', TG_ARGV[0]
        USING ERRCODE = 'serialization_failure',
              DETAIL = format('%I.%I is what the table was before.', TG_TABLE_SCHEMA, TG_TABLE_NAME);
END $pgeist$;

REVOKE ALL ON FUNCTION @job@.table_was_replaced() FROM PUBLIC;
ALTER FUNCTION @job@.table_was_replaced() OWNER TO @owner@;
