-- finds: adding-required-field error
ALTER TABLE accounts ADD COLUMN country text NOT NULL;
