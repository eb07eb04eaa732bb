-- finds: lock-held-across-work error
BEGIN;

-- Running upgrade 9f1c -> a1b2

ALTER TABLE parcels ADD COLUMN weight_g INTEGER;

CREATE INDEX ix_parcels_weight ON parcels (weight_g);

UPDATE alembic_version SET version_num='a1b2' WHERE alembic_version.version_num = '9f1c';

COMMIT;
