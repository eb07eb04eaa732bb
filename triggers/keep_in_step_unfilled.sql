-- For a row that the fill has not come to yet: judged as if it had been filled before. Placeholders: is_unfilled, fill,
-- take (of the columns that the UPDATE has not given), forget.
        IF @is_unfilled@ THEN
            BEGIN
                @fill@
                @take@
            EXCEPTION WHEN OTHERS THEN  -- the fill names the row
                @forget@
            END;
        END IF;
