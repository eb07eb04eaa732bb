-- The end of log_anew.sql. Nobody writes into the old log any more, so that all of its rows are seen here. Keys of changed
-- rows may be logged in any order, and more than once. The old log is dropped afterwards, when nobody reads it (a dump
-- does, for as long as it takes); until then its comment says that it counts no more.
INSERT INTO @job@.pgeist_log SELECT * FROM @job@.pgeist_log_before;
COMMENT ON TABLE @job@.pgeist_log_before IS 'pgeist: all of it is in pgeist_log';
