-- finds: lock-held-across-work error
ALTER TABLE events ADD CONSTRAINT kind_known CHECK (kind <> '') NOT VALID;
ALTER TABLE events VALIDATE CONSTRAINT kind_known;
