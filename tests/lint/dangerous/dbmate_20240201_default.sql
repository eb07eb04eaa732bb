-- finds: adding-field-with-default error
-- migrate:up
ALTER TABLE devices ADD COLUMN token uuid NOT NULL DEFAULT gen_random_uuid();

-- migrate:down
ALTER TABLE devices DROP COLUMN token;
