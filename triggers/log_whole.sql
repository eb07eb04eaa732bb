-- The end of log_anew.sql. Nobody writes into the old log any more, so that all of its rows are seen here. Keys of changed
-- rows may be logged in any order, and more than once.
INSERT INTO @job@.pgeist_log SELECT * FROM @job@.pgeist_log_before;
DROP TABLE @job@.pgeist_log_before;
