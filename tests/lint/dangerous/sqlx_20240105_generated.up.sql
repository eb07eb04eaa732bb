-- finds: adding-generated-column error
ALTER TABLE events ADD COLUMN day date GENERATED ALWAYS AS (happened_at::date) STORED;
