-- What an UPDATE makes of one group of columns. Of those that it leaves alone nothing is computed.
        -- @columns@
@unfilled@        IF @old_was_changed@ THEN
            IF NOT @new_was_changed@ THEN
                @up@
            ELSIF @new_is_not_up@ AND @old_is_not_down@ THEN
                @count@
                @conflict@
            END IF;
        ELSIF @new_was_changed@ AND @new_is_not_up@ THEN
            @down@
        END IF;
