-- Checkpoints of the last look at every row of the source's file (transfer/verify/file_walk.hpp). Made when it begins.
-- @job@ the job's schema; @owner@ its owner: whoever made this, each role that may go on with the job can write into it.
--
-- A place means something in one file only: when somebody rewrites the table, the rows of another file count for nothing.
CREATE TABLE IF NOT EXISTS @job@.pgeist_file_walk (
    file  bigint NOT NULL,                  -- pg_relation_filenode() of the source
    lower tid,                              -- after this place, up to and including the other one; null: open end
    upper tid,
    rows  bigint NOT NULL
) WITH (autovacuum_enabled = off);
ALTER TABLE @job@.pgeist_file_walk OWNER TO @owner@;
