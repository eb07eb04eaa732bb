-- finds: creating-partition warning
BEGIN;
-- Running upgrade a2c3 -> a3d4
CREATE TABLE parcels_2025 PARTITION OF parcels_all FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
COMMIT;
