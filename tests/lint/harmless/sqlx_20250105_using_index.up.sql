ALTER TABLE events ADD CONSTRAINT events_ref_key UNIQUE USING INDEX events_ref_key;
