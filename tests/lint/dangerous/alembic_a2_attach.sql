-- finds: attaching-partition error
BEGIN;
-- Running upgrade a1b2 -> a2c3
ALTER TABLE parcels_all ATTACH PARTITION parcels_2024 FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
COMMIT;
