-- finds: adding-exclusion-constraint error
ALTER TABLE bookings ADD CONSTRAINT no_overlap
    EXCLUDE USING gist (room WITH =, during WITH &&);
