-- migrate:up
ALTER TABLE devices ALTER COLUMN state SET DEFAULT 'idle';
-- migrate:down
ALTER TABLE devices ALTER COLUMN state DROP DEFAULT;
