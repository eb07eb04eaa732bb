-- finds: ban-concurrent-index-creation-in-transaction error
-- +goose Up
CREATE INDEX CONCURRENTLY invoices_due_idx ON invoices (due_on);
