-- finds: disallowed-unique-constraint error
ALTER TABLE events ADD CONSTRAINT events_ref_key UNIQUE (ref);
