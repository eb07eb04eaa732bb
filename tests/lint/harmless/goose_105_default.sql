-- +goose Up
ALTER TABLE invoices ADD COLUMN created_at timestamptz NOT NULL DEFAULT now();
