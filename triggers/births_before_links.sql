-- Births that were logged behind a link of the same transaction, and came before it, get a number just below the link's. See
-- keep_history.sql. Goes back over what a transaction has logged: the end of a statement adds the rows that it has made to those
-- that wait for their place, the last one on top, since what ended before them was within it. As many as were inserted between
-- two events have theirs there: before the first link behind it, if that was logged before them. One step a birth or link.
-- Placeholders: @job@ the transfer's schema; @same_key@ of `a`, an arrival, and `b`, a birth; @quote@ as in
-- capture_functions.sql.
CREATE FUNCTION @job@.births_before_links() RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $@quote@$
DECLARE
    event         record;
    within        xid8;      -- the transaction
    inserted_then bigint;    -- at the event behind
    link          pg_lsn;    -- the first one behind
    waiting       pg_lsn[];
    on_top        int := 0;
    early         pg_lsn[];  -- the places of those that get another number
    early_in      xid8[];
    before        pg_lsn[];  -- this link's
    count_early   int := 0;
    is_another    boolean;
BEGIN
    FOR event IN
        SELECT transaction, statement AS number, place, inserted FROM @job@.pgeist_births
        UNION ALL SELECT transaction, number, NULL, inserted FROM @job@.pgeist_links
         WHERE transaction IN (SELECT transaction FROM @job@.pgeist_births)
        UNION ALL SELECT NULL, NULL, NULL, NULL  -- the end, for the last transaction
         ORDER BY transaction NULLS LAST, number DESC, place
    LOOP
        is_another := event.transaction IS DISTINCT FROM within;
        WHILE on_top > 0 AND (is_another OR event.inserted < inserted_then) LOOP
            IF link < waiting[on_top] THEN
                count_early := count_early + 1;
                early[count_early] := waiting[on_top];
                early_in[count_early] := within;
                before[count_early] := link;
            END IF;
            on_top := on_top - 1;
            inserted_then := inserted_then - 1;
        END LOOP;
        IF is_another THEN
            within := event.transaction;
            link := NULL;
        END IF;
        inserted_then := event.inserted;
        IF event.place IS NULL THEN
            link := event.number;
        ELSE
            on_top := on_top + 1;
            waiting[on_top] := event.place;
        END IF;
    END LOOP;
    IF count_early > 0 THEN
        UPDATE @job@.pgeist_arrivals AS a SET number = e.link - 1
          FROM unnest(early, early_in, before) AS e (place, transaction, link), @job@.pgeist_births AS b
         WHERE b.place = e.place AND b.transaction = e.transaction AND NOT a.linked AND a.number = b.place AND @same_key@;
    END IF;
END $@quote@$;
