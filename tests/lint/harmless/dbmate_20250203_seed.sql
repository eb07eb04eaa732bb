-- migrate:up
INSERT INTO settings (name, value) VALUES ('theme', 'dark'), ('a;b', 'it''s');
UPDATE settings SET value = 'light' WHERE name = 'theme';
-- migrate:down
DELETE FROM settings WHERE name IN ('theme', 'a;b');
