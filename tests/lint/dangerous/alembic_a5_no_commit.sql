-- finds: ban-uncommitted-transaction error
BEGIN;
-- Running upgrade a4e5 -> a5f6
ALTER TABLE parcels ADD COLUMN note text;
