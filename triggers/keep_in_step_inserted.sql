-- What an INSERT makes of one group of columns.
        -- @columns@: what differs from its default counts as given
        old_given := @old_differs_from_default@;
        new_given := @new_differs_from_default@;
        IF @new_is_not_up@ THEN
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
                @count@
                @conflict@
            END IF;
        END IF;
