-- finds: concurrently-if-not-exists warning
-- migrate:up transaction:false
CREATE INDEX CONCURRENTLY IF NOT EXISTS devices_seen_idx ON devices (seen_at);

-- migrate:down transaction:false
