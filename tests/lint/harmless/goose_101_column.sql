-- +goose Up
ALTER TABLE invoices ADD COLUMN note text;

-- +goose Down
ALTER TABLE invoices DROP COLUMN note;
