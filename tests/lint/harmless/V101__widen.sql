CREATE TABLE labels (id int PRIMARY KEY, title varchar(20));
ALTER TABLE labels ALTER COLUMN title TYPE varchar(200);
ALTER TABLE labels ALTER COLUMN title TYPE text;
