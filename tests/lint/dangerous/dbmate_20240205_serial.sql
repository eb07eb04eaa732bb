-- finds: adding-serial-primary-key-field error
-- migrate:up
ALTER TABLE devices ADD COLUMN number bigserial;
-- migrate:down
