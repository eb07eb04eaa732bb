ALTER TABLE events ADD CONSTRAINT kind_known CHECK (kind <> '') NOT VALID;
