-- finds: ban-drop-column warning
-- +goose Up
ALTER TABLE invoices DROP COLUMN legacy_code;
