-- The numbers of an identity column whose table comes back, where the table in use has no identity there: its sequence was
-- given an end when it left, see identity_goes_on.sql, and gets its own definition back. It goes on behind the last number
-- that it has handed out, and behind what was written into the column meanwhile. One that never ended is left as it is.
-- @sequence@ where it is by then, @name@ that as a literal; @definition@ its own limits, start and cycle; @upwards@ whether it
-- goes up; @most@ the column's last value in its direction, or NULL where that would read the whole table; @lowest@ and
-- @highest@ the last numbers that the sequence may stand at.
DECLARE
    last   bigint;
    ended  boolean;
BEGIN
    SELECT d.seqstart,
           s.is_called AND s.last_value = CASE WHEN @upwards@ THEN 9223372036854775807 ELSE -9223372036854775808 END
      INTO STRICT last, ended
      FROM @sequence@ AS s, pg_catalog.pg_sequence AS d WHERE d.seqrelid = @name@::pg_catalog.regclass;
    IF ended THEN
        last := CASE WHEN @upwards@ THEN greatest(last, @most@) ELSE least(last, @most@) END;
        ALTER SEQUENCE @sequence@ @definition@ RESTART;
        PERFORM pg_catalog.setval(@name@::pg_catalog.regclass, greatest(least(last, @highest@), @lowest@), true);
    END IF;
END
