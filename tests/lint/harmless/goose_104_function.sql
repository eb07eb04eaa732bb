-- +goose Up
-- +goose StatementBegin
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.updated_at := now(); -- DROP TABLE invoices;
    RETURN NEW;
END
$$;
-- +goose StatementEnd
