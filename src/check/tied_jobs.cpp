#include <fmt/format.h>

#include "checks.hpp"
#include "pgeist/plan/as_options.hpp"
#include "pgeist/plan/blueprint.hpp"

namespace pgeist::check {

namespace {

// The tables that something ties to $1: whatever refers to both, be it a foreign key, a child, a policy, a function or
// views on views. A swap leads all that refers to its table to another OID, which changes what the run of a tied table
// has planned for. Partitions are strangers to each other, but for the DEFAULT one.
constexpr const char* jobs_sql = R"(
    WITH RECURSIVE up(classid, objid) AS (
        SELECT d.classid, d.objid FROM pg_depend d
         WHERE (d.refclassid = 'pg_class'::regclass AND d.refobjid = $1)
            OR (d.refclassid = 'pg_type'::regclass
                AND d.refobjid IN (SELECT t.oid FROM pg_type t, pg_class c
                                    WHERE c.oid = $1 AND (t.oid = c.reltype OR t.typelem = c.reltype)))
        UNION
        SELECT d.classid, d.objid FROM up u
          JOIN pg_rewrite w ON u.classid = 'pg_rewrite'::regclass AND w.oid = u.objid
          JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
          JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = v.oid),
    down(oid) AS (
        SELECT d.refobjid FROM up u JOIN pg_depend d ON d.classid = u.classid AND d.objid = u.objid
         WHERE d.refclassid = 'pg_class'::regclass
        UNION
        SELECT objid FROM up WHERE classid = 'pg_class'::regclass
        UNION
        SELECT d.refobjid FROM down t JOIN pg_class v ON v.oid = t.oid AND v.relkind IN ('v', 'm')
          JOIN pg_rewrite w ON w.ev_class = v.oid
          JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = w.oid AND d.refclassid = 'pg_class'::regclass),
    tied(oid) AS (
        SELECT oid FROM down
        UNION
        SELECT o.inhrelid FROM pg_inherits i JOIN pg_partitioned_table k ON k.partrelid = i.inhparent
          JOIN pg_inherits o ON o.inhparent = i.inhparent
         WHERE i.inhrelid = $1 AND k.partdefid IN (i.inhrelid, o.inhrelid)
        UNION
        SELECT k.confrelid FROM pg_constraint k WHERE k.conrelid = $1 AND k.contype = 'f'
        UNION
        SELECT k.conrelid FROM pg_constraint k WHERE k.contype = 'f' AND k.conparentid = 0
           AND k.confrelid IN (SELECT relid FROM pg_partition_ancestors($1)))
    SELECT j.id, j.table_schema, j.table_name, j.change, to_jsonb(j) ->> 'kind' AS kind,
           EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND (k.conrelid, k.confrelid) IN
                       ((j.table_oid, $1::oid), ($1::oid, j.table_oid))) AS by_key
      FROM pgeist.jobs j
     WHERE j.state NOT IN ('done', 'reverted') AND j.table_oid <> $1 AND j.table_oid IN (SELECT oid FROM tied) ORDER BY j.id)";

/// Of two copies, one of whose tables refers to the other: how both are made at once.
std::string advice(const subject& what, const pg::result& rows, int row) {
    if (!rows.boolean(row, "by_key") || rows.text(row, "kind") != "copy" || what.change.repack) {
        return "";
    }
    plan::change_request other = plan::change_request_from_json(rows.text(row, "change"));
    if (other.repack) {
        return "";
    }
    other.table = {rows.text(row, "table_schema"), rows.text(row, "table_name")};
    plan::change_request own = what.change;
    own.table = what.source->name;
    return fmt::format("; or remove that job, and change both tables in one transaction: pgeist run {} {}",
                       plan::as_options(other), plan::as_options(own));
}

}  // namespace

awaitable<void> check_tied_jobs(const subject& what, findings& into) {
    const auto present = co_await what.conn.query("SELECT to_regclass('pgeist.jobs') IS NOT NULL");
    if (!present.boolean(0, 0)) {
        co_return;
    }
    const auto rows = co_await what.conn.query(jobs_sql, what.source->oid);
    for (int row = 0; row < rows.rows(); ++row) {
        const auto job = rows.integer(row, "id");
        const qualified_name other{rows.text(row, "table_schema"), rows.text(row, "table_name")};
        refuse(
            into, "tied_jobs",
            fmt::format("job {} changes {}, which is tied to {} by a foreign key, a view or the like: what one of them "
                        "swaps ends the other",
                        job, other.display(), what.source->name.display()),
            fmt::format("run again when it is done; if it was interrupted: pgeist resume {0}, or pgeist cleanup {0}",
                        job) +
                advice(what, rows, row));
    }
}

}  // namespace pgeist::check
