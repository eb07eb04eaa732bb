-- finds: lock-held-across-work error
-- +goose Up
ALTER TABLE invoices ADD COLUMN total_cents bigint;
UPDATE invoices SET total_cents = round(total * 100) WHERE total_cents IS NULL;
