-- finds: session-settings warning
SET statement_timeout = '5s';
CREATE INDEX CONCURRENTLY messages_at_idx ON messages (at);
