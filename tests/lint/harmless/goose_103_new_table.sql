-- +goose Up
CREATE TABLE credit_notes (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    amount numeric(12, 2) NOT NULL CHECK (amount > 0)
);
CREATE INDEX credit_notes_amount_idx ON credit_notes (amount);
ALTER TABLE credit_notes ALTER COLUMN amount TYPE numeric(14, 4);

-- +goose Down
DROP TABLE credit_notes;
