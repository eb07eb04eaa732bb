-- finds: adding-not-nullable-field error
-- +goose Up
ALTER TABLE invoices ALTER COLUMN due_on SET NOT NULL;
