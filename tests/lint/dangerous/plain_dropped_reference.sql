-- finds: will-fail error
CREATE TABLE regions (id int PRIMARY KEY);
CREATE TABLE shops (id int PRIMARY KEY, region_id int REFERENCES regions (id));
DROP TABLE regions;
