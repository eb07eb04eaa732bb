-- finds: ban-truncate-cascade warning
-- migrate:up
TRUNCATE TABLE devices CASCADE;
-- migrate:down
