-- migrate:up
CREATE VIEW active_devices AS SELECT * FROM devices WHERE active;
-- migrate:down
DROP VIEW active_devices;
