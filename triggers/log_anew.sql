-- A new, empty log in the place of one that VACUUM cannot shorten. To be run under ACCESS EXCLUSIVE on the log: then whoever
-- has written into it has ended, and whoever waits to write finds the new one by its name. What is still to be replayed goes
-- from the old one into the new one right afterwards: log_whole.sql. Placeholders as in log.sql.
ALTER TABLE @job@.pgeist_log RENAME TO pgeist_log_before;
CREATE TABLE @job@.pgeist_log (@key_columns@) WITH (autovacuum_enabled = off, toast.autovacuum_enabled = off);
ALTER TABLE @job@.pgeist_log REPLICA IDENTITY FULL;
