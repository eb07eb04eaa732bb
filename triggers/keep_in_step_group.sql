    -- @columns@
@unfilled@    IF TG_OP = 'INSERT' THEN  -- what differs from its default counts as given
        old_given := @old_differs_from_default@;
        new_given := @new_differs_from_default@;
    ELSE
        old_given := @old_was_changed@;
        new_given := @new_was_changed@;
    END IF;
    IF (TG_OP = 'INSERT' OR old_given OR new_given) AND (@new_is_not_up@) THEN
        IF new_given AND NOT old_given THEN
            @down@
        ELSIF old_given AND NOT new_given THEN
            @up@
        ELSIF NOT old_given THEN  -- nothing was given, and the defaults do not agree
            IF @up_is_null@ THEN
                @down@
            ELSE
                @up@
            END IF;
        ELSIF @old_is_not_down@ THEN
            PERFORM nextval(@counter@::oid::regclass);
            @conflict@
        END IF;
    END IF;
