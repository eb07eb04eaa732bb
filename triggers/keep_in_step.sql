-- Keeps old and new columns of a row in step. Placeholders: function, settings (its SET clause, if it needs one),
-- inserted (each group as keep_in_step_inserted.sql), updated (as keep_in_step_updated.sql).
CREATE OR REPLACE FUNCTION @function@() RETURNS trigger LANGUAGE plpgsql@settings@ AS $pgeist$
DECLARE
    old_given boolean;
    new_given boolean;
BEGIN
    IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
@inserted@    ELSE
@updated@    END IF;
    RETURN NEW;
END $pgeist$;
