-- One trigger function of a job, switched off: nothing is logged any more. That takes no lock on the table, so that it can be
-- done at once, whoever works on the table. @job@ the job's schema; @function@ the function's name.
CREATE OR REPLACE FUNCTION @job@.@function@() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $pgeist$
BEGIN
    RETURN NULL;
END $pgeist$;
