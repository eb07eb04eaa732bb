-- The trigger functions of a job, switched off: nothing is logged any more. That takes no lock on the table, so that it can
-- be done at once, whoever works on the table. @schema@ the job's schema, a literal.
DO $pgeist$
DECLARE
    each record;
BEGIN
    FOR each IN SELECT p.oid::regprocedure AS name, p.prorettype::regtype AS gives
                  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
                 WHERE n.nspname = @schema@ AND p.proname LIKE 'capture\_%' LOOP
        EXECUTE format('CREATE OR REPLACE FUNCTION %s RETURNS %s LANGUAGE plpgsql SECURITY DEFINER '
                       'SET search_path = pg_catalog, pg_temp AS ''BEGIN RETURN NULL; END''', each.name, each.gives);
    END LOOP;
END $pgeist$;
