-- The state of all jobs of a database. Created once, by the first run; everything about a job is here and in its own schema.
-- Placeholders: none.
CREATE SCHEMA pgeist;

CREATE TABLE pgeist.jobs (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    table_schema text NOT NULL,
    table_name   text NOT NULL,
    table_oid    oid NOT NULL,              -- of the source, before the swap
    change       jsonb NOT NULL,            -- what the user asked for
    settings     jsonb NOT NULL,            -- the options of the run
    blueprint    jsonb,                     -- all that the phases need to know; absent until the shadow exists
    phase        text NOT NULL DEFAULT 'prepare',
    state        text NOT NULL DEFAULT 'running',
    message      text,                      -- why it stopped, or what it waits for
    throttled    text,
    control      jsonb NOT NULL DEFAULT '{}',   -- what other sessions asked for, and how far the run has obeyed
    rows_done    bigint NOT NULL DEFAULT 0,
    rows_total   bigint NOT NULL DEFAULT 0,
    log_pending  bigint NOT NULL DEFAULT 0,
    source_filenode bigint,                 -- of the source when captured, or last compared as a whole, and a hash of its columns: tells who rewrote it
    result_oid   oid,                       -- the new table and its definition when the job was done: tells a second run
    result_fingerprint text,                -- of the same change that there is nothing to do
    swap_xid     xid8,                      -- the transaction of the last swap attempt that reached its commit
    run_by       text NOT NULL DEFAULT session_user,
    started_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at  timestamptz
);  -- later columns: state_tools.sql

-- One row per range of keys that is copied (or verified), written in the transaction that did it: a resumed run
-- neither skips a range nor copies one twice. A null bound is open.
CREATE TABLE pgeist.chunks (
    job      bigint NOT NULL REFERENCES pgeist.jobs ON DELETE CASCADE,
    kind     text NOT NULL CHECK (kind IN ('copy', 'verify')),  -- later others too: state_in_place.sql
    lower    text[],
    upper    text[],
    rows     bigint NOT NULL,
    shadow_rows bigint,                     -- of verified chunks: rows of the shadow in the range
    checksum numeric,                       -- sum of the hashes of the source's rows, converted
    shadow_checksum numeric,                -- and of the shadow's
    done_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX chunks_job ON pgeist.chunks (job, kind);

CREATE TABLE pgeist.events (
    job    bigint NOT NULL REFERENCES pgeist.jobs ON DELETE CASCADE,
    at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    event  text NOT NULL,
    detail text
);
CREATE INDEX events_job ON pgeist.events (job, at);
