-- What has been added to the first tables, and what people who have only psql look at: view pgeist.status (by which they
-- steer: state_steer.sql). Run after state.sql, and where the first version made the tables. What later versions add has
-- files of its own: state_identity.sql.
-- Placeholders: {job_space}: first key of the advisory lock that the run of a job holds.
ALTER TABLE pgeist.jobs
    -- for displays: rate, workers, chunk, lag, what it does, who is in the way
    ADD COLUMN IF NOT EXISTS figures jsonb NOT NULL DEFAULT '{}',
    -- of the change log at the last sign of life
    ADD COLUMN IF NOT EXISTS log_bytes bigint NOT NULL DEFAULT 0,
    -- tells this job from one of the same number elsewhere
    ADD COLUMN IF NOT EXISTS token uuid NOT NULL DEFAULT gen_random_uuid(),
    -- that works on the job, or did last, on whichever host: job::this_process()
    ADD COLUMN IF NOT EXISTS process text,
    -- Counted up by each process that takes the job on: a process that has lost it finds another number and stops. It
    -- begins with the time, so that the job that gets this one's id after schema pgeist was made anew has another one.
    ADD COLUMN IF NOT EXISTS incarnation bigint NOT NULL DEFAULT extract(epoch FROM clock_timestamp()) * 1000000;
-- Counting up must wait for transactions that have locked the row FOR KEY SHARE: so it must be part of a key.
CREATE UNIQUE INDEX IF NOT EXISTS jobs_incarnation ON pgeist.jobs (id, incarnation);
COMMENT ON SCHEMA pgeist IS 'pgeist: state of online table changes, version 2';

CREATE OR REPLACE VIEW pgeist.status AS
SELECT s.job, s."table", s.state, s.phase, s.percent, s.rows_done, s.rows_total, s.rows_per_second,
       CASE WHEN s.rows_per_second > 0 AND s.rows_total > s.rows_done AND s.alive
            THEN make_interval(secs => round(((s.rows_total - s.rows_done) / s.rows_per_second)::numeric, 0)::float8) END AS eta,
       s.changes_to_replay, s.waits_for, s.doing, s.blocked_by, s.workers, s.replica_lag, s.message,
       s.started_at, s.updated_at, s.run_by, s.alive
FROM (
    SELECT j.id AS job,
           CASE WHEN j.table_name <> '' THEN format('%I.%I', j.table_schema, j.table_name) END AS "table",
           CASE WHEN a.alive OR j.state IN ('done', 'cancelled', 'failed', 'reverted') THEN j.state ELSE 'interrupted' END AS state,
           CASE j.phase WHEN 'catch_up' THEN 'replay' ELSE j.phase END AS phase,
           CASE WHEN j.rows_total > 0 THEN least(100, round(100.0 * j.rows_done / j.rows_total, 1)) END AS percent,
           j.rows_done, nullif(j.rows_total, 0) AS rows_total,
           CASE WHEN a.alive THEN (j.figures ->> 'rows_per_second')::float8 END AS rows_per_second,
           nullif(j.log_pending, -1) AS changes_to_replay,
           CASE WHEN a.alive THEN j.throttled END AS waits_for,
           CASE WHEN a.alive THEN nullif(j.figures ->> 'doing', '') END AS doing,
           CASE WHEN a.alive THEN nullif(j.figures ->> 'blocked_by', '') END AS blocked_by,
           CASE WHEN a.alive THEN (j.figures ->> 'workers')::int END AS workers,
           CASE WHEN a.alive THEN pg_size_pretty((j.figures ->> 'lag_bytes')::bigint) END AS replica_lag,
           j.message, j.started_at, j.updated_at, j.run_by, a.alive
    FROM pgeist.jobs j
    CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT FROM pg_locks l
                       WHERE l.locktype = 'advisory' AND l.classid = {job_space} AND l.objsubid = 2 AND l.granted
                         AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                         AND l.objid = (j.id & 4294967295)::oid) AS alive) a
) s
ORDER BY s.job;

COMMENT ON VIEW pgeist.status IS 'pgeist: one row a job, for people; what pgeist status shows';
