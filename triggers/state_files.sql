-- Part of what version 5 of the state has added: migration files. Placeholders: none.
-- A file that was run is known by its statements, also when its job has been cleaned up: then done_at says that it was.
CREATE TABLE IF NOT EXISTS pgeist.files (
    digest     text PRIMARY KEY,            -- SHA-256 of its statements, without comments and blank space
    name       text NOT NULL,               -- as it was called
    statements int NOT NULL,
    job        bigint REFERENCES pgeist.jobs ON DELETE SET NULL,
    undoes     text,                        -- digest of the file that it takes back, which may be run again after it
    run_by     text NOT NULL DEFAULT session_user,
    begun_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    done_at    timestamptz
);
CREATE INDEX IF NOT EXISTS files_job ON pgeist.files (job);
-- The step of jobs.parent that a job does.
ALTER TABLE pgeist.jobs ADD COLUMN IF NOT EXISTS parent_step int;
