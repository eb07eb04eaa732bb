-- Part of what version 5 of the state has added: what a job does step by step. Placeholders: none.
-- A step is recorded in the transaction that does it.
CREATE TABLE IF NOT EXISTS pgeist.steps (
    job          bigint NOT NULL REFERENCES pgeist.jobs ON DELETE CASCADE,
    number       int NOT NULL,
    statement    text NOT NULL,
    method       text NOT NULL,                -- nothing, native, validate, concurrently, copy, backfill, reindex, server
    state        text NOT NULL DEFAULT 'pending',  -- pending, started, done, skipped, failed
    line         int,                          -- in the file
    plan         jsonb NOT NULL,               -- steps::step
    actions_done int NOT NULL DEFAULT 0,
    xid          xid8,                         -- of the transaction that recorded it last
    message      text,
    work_ms      bigint,                       -- what its statements took, without waiting for locks
    started_at   timestamptz,
    finished_at  timestamptz,
    PRIMARY KEY (job, number)
);
-- A job that is a step of another.
ALTER TABLE pgeist.jobs ADD COLUMN IF NOT EXISTS parent bigint;
