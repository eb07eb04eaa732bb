BEGIN;

-- Running upgrade b2c1 -> b3d2

ALTER TABLE parcels ADD COLUMN colour TEXT;

UPDATE alembic_version SET version_num='b3d2' WHERE alembic_version.version_num = 'b2c1';

COMMIT;
