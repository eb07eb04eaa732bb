CREATE TABLE colours (id int, name text);
COPY colours (id, name) FROM stdin;
1	DROP TABLE colours;
2	red'
\.
CREATE INDEX colours_name_idx ON colours (name);
