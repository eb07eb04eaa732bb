-- Keeps old and new columns of a row in step. Placeholders: function, groups (each as keep_in_step_group.sql).
CREATE OR REPLACE FUNCTION @function@() RETURNS trigger LANGUAGE plpgsql SET search_path = pg_catalog AS $pgeist$
DECLARE
    old_given boolean;
    new_given boolean;
BEGIN
@groups@    RETURN NEW;
END $pgeist$;
