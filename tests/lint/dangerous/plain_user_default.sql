-- finds: default-volatility error
ALTER TABLE messages ADD COLUMN ref text DEFAULT make_ref();
