-- finds: ban-concurrent-index-creation-in-transaction error
-- migrate:up
DROP INDEX CONCURRENTLY devices_old_idx;

-- migrate:down
