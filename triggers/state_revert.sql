-- What version 5 of the state has added for the way back. Placeholders: {job_space}, as in state_tools.sql.
ALTER TABLE pgeist.jobs
    -- how the tables change places again, and which of them is in use; absent: they never will
    ADD COLUMN IF NOT EXISTS way_back jsonb,
    -- what is known of that, for people: until when, which rows do not fit, why it cannot be done
    ADD COLUMN IF NOT EXISTS revert jsonb;

CREATE OR REPLACE VIEW pgeist.status AS
SELECT s.job, s."table", s.state, s.phase, s.percent, s.rows_done, s.rows_total, s.rows_per_second,
       CASE WHEN s.rows_per_second > 0 AND s.rows_total > s.rows_done AND s.alive
            THEN make_interval(secs => round(((s.rows_total - s.rows_done) / s.rows_per_second)::numeric, 0)::float8) END AS eta,
       s.changes_to_replay, s.waits_for, s.doing, s.blocked_by, s.workers, s.replica_lag, s.message,
       s.started_at, s.updated_at, s.run_by, s.alive, s.revertible, s.revert_until, s.unfit, s.why_not_revertible
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
           j.message, j.started_at, j.updated_at, j.run_by, a.alive,
           CASE WHEN j.way_back IS NOT NULL
                THEN j.revert ->> 'why_not' IS NULL AND coalesce((j.revert ->> 'unfit')::bigint, 0) = 0 END AS revertible,
           (j.revert ->> 'until')::timestamptz AS revert_until,
           (j.revert ->> 'unfit')::bigint AS unfit,
           j.revert ->> 'why_not' AS why_not_revertible
    FROM pgeist.jobs j
    CROSS JOIN LATERAL (
        SELECT EXISTS (SELECT FROM pg_locks l
                       WHERE l.locktype = 'advisory' AND l.classid = {job_space} AND l.objsubid = 2 AND l.granted
                         AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                         AND l.objid = (j.id & 4294967295)::oid) AS alive) a
) s
ORDER BY s.job;
