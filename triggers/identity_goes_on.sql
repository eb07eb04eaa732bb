-- The numbers of an identity column after the swap. Its sequence is made anew with the table, and who waits in nextval() for
-- the swap's lock, or has read the sequence's name just before, has the OID of the old one in hand and draws from that: once
-- the swap has committed nothing keeps him from it. So that no number is handed out twice the two share none: the old
-- sequence goes on for a while and ends, the new one begins beyond that. Where there is no room for it, or the user has
-- restarted the identity, the old one ends at once, and who still draws from it gets an error. To be run under ACCESS
-- EXCLUSIVE on the old one.
-- @old@ the old sequence where it is now, @old_name@ and @new_name@ both as literals, the new one NULL where it does not go
-- on with the old one's numbers. @increment@ of the new one, and @most@, the last number that it has. @ratio@ of its steps are
-- as far as one of the old one; 0 where they go the other way. @cache@ numbers a session draws from the old one at once.
-- @upwards@ whether that goes up.
DECLARE
    last     numeric;
    called   boolean;
    steps    numeric := 0;
    remain   numeric;
    stop     numeric;
    lowest   CONSTANT numeric := -9223372036854775808;
    highest  CONSTANT numeric := 9223372036854775807;
BEGIN
    SELECT last_value, is_called INTO STRICT last, called FROM @old@;
    IF @new_name@ IS NOT NULL THEN
        -- Some numbers for each session that there can be; of few that are left a hundredth, and of hardly any a tenth.
        steps := @ratio@ * greatest(1000, (10 + @cache@) * pg_catalog.current_setting('max_connections')::numeric);
        remain := pg_catalog.div(@most@::numeric - last, @increment@::numeric);
        steps := greatest(0, least(steps, greatest(pg_catalog.div(remain, 100), least(20, pg_catalog.div(remain, 10)))));
        stop := last + steps * @increment@;
        PERFORM pg_catalog.setval(@new_name@::pg_catalog.regclass, stop::bigint, called);
        IF NOT called THEN
            stop := stop - pg_catalog.sign(@increment@::numeric);  -- the new one hands out that itself
        END IF;
    END IF;
    IF steps = 0 THEN
        stop := CASE WHEN @upwards@ THEN highest ELSE lowest END;
    END IF;
    -- AS bigint: a column that becomes wider may go beyond the old one's range.
    EXECUTE pg_catalog.format('ALTER SEQUENCE %s AS bigint START WITH %s MINVALUE %s MAXVALUE %s NO CYCLE', @old_name@, last,
                              CASE WHEN @upwards@ THEN lowest ELSE stop END, CASE WHEN @upwards@ THEN stop ELSE highest END);
    IF steps = 0 THEN
        PERFORM pg_catalog.setval(@old_name@::pg_catalog.regclass, stop::bigint, true);
    END IF;
END
