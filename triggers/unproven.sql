-- For a column whose values are not proven to go there and back: the user's own expression, or one that gives a value of the
-- same type. Whether what stands in both tables fits together is asked in functions, since either conversion may fail for
-- what the other gives. @job@ the transfer's schema; @number@ of the column; @read_type@ and @value@ of what the read side
-- has; @there@ whether the conversion of a row of the write side gives it; @back@ whether that of a row of the read side
-- gives what the write side has; @held@ whether the write side has kept what nobody touched, which nothing gives any more;
-- @quote@ a dollar quote's tag that stands in neither.
CREATE FUNCTION @job@.pgeist_same_@number@(@job@.pgeist_write_row, @read_type@) RETURNS boolean
LANGUAGE plpgsql STABLE AS $@quote@$
#variable_conflict use_column
BEGIN
    RETURN (SELECT @there@ FROM (SELECT ($1).*) AS pgeist_row);
EXCEPTION
    WHEN data_exception OR integrity_constraint_violation OR cardinality_violation OR plpgsql_error OR program_limit_exceeded OR feature_not_supported
      OR external_routine_exception OR external_routine_invocation_exception THEN RETURN false;
END $@quote@$;

CREATE FUNCTION @job@.pgeist_fits_@number@(@job@.pgeist_read_row, @job@.pgeist_write_row) RETURNS boolean
LANGUAGE plpgsql STABLE AS $@quote@$
#variable_conflict use_column
BEGIN
    IF @job@.pgeist_same_@number@($2, ($1).@value@) OR @held@ THEN
        RETURN true;
    END IF;
    RETURN (SELECT @back@ FROM (SELECT ($1).*) AS pgeist_row);
EXCEPTION
    WHEN data_exception OR integrity_constraint_violation OR cardinality_violation OR plpgsql_error OR program_limit_exceeded OR feature_not_supported
      OR external_routine_exception OR external_routine_invocation_exception THEN RETURN false;
END $@quote@$;
