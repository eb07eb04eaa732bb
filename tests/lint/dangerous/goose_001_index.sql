-- finds: require-concurrent-index-creation error
-- +goose Up
CREATE INDEX invoices_customer_idx ON invoices (customer_id);

-- +goose Down
DROP INDEX invoices_customer_idx;
