-- finds: table-scan error
-- +goose Up
-- +goose StatementBegin
DO $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conname = 'positive') THEN
        ALTER TABLE invoices ADD CONSTRAINT positive CHECK (amount > 0);
    END IF;
END
$$;
-- +goose StatementEnd
