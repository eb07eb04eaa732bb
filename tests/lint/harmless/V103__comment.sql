COMMENT ON TABLE accounts IS 'people; with a semicolon';
