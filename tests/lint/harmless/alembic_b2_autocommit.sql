BEGIN;
-- Running upgrade b1a0 -> b2c1
ALTER TABLE parcels ADD COLUMN depot_id INTEGER;
COMMIT;
CREATE INDEX CONCURRENTLY ix_parcels_depot ON parcels (depot_id);
BEGIN;
UPDATE alembic_version SET version_num='b2c1' WHERE alembic_version.version_num = 'b1a0';
COMMIT;
