-- migrate:up transaction:false
DROP INDEX CONCURRENTLY IF EXISTS devices_old_idx;
-- migrate:down
