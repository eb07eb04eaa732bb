#include "pgeist/job/source_file.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "rows.hpp"

namespace pgeist::job {

namespace {

/// The file's number and, above its 32 bits, a hash of which versions of their rows in the catalogs the columns and
/// their defaults have: ALTER COLUMN … TYPE makes new ones, also where the type stays the same, and so do INHERIT and
/// ATTACH PARTITION, also when they are undone; who moves rows as they are makes none. (What pgeist of before kept has
/// no hash: it counts as another.)
std::string mark_of(std::string_view oid) {
    return fmt::format(
        "(SELECT (hashtextextended(string_agg(concat_ws(' ', k.what, k.number, k.version), ',' ORDER BY k.what, "
        "k.number), "
        "0) & 2147483647) << 32 FROM (SELECT 'column' AS what, attnum::bigint AS number, xmin AS version FROM "
        "pg_attribute "
        "WHERE attrelid = {0} AND attnum > 0 UNION ALL SELECT 'default', oid::bigint, xmin FROM pg_attrdef WHERE "
        "adrelid "
        "= {0}) AS k) | pg_relation_filenode({0})::bigint",
        oid);
}

}  // namespace

awaitable<void> save_source_file(pg::connection& session, tenure mine, std::int64_t source_oid) {
    std::string sql = "UPDATE pgeist.jobs SET source_filenode = " + mark_of("$3::bigint::oid") +
                      " WHERE id = $1 AND incarnation = $2";
    const pg::result saved = co_await session.query(std::move(sql), mine.job, mine.incarnation, source_oid);
    require_ours(mine, saved);
}

std::string save_source_file_sql(std::int64_t job, std::int64_t source_oid) {
    return fmt::format("UPDATE pgeist.jobs SET source_filenode = {} WHERE id = {}",
                       mark_of(fmt::format("{}::bigint::oid", source_oid)), job);
}

awaitable<std::optional<std::int64_t>> file_to_compare(pg::connection& session, std::int64_t job,
                                                       std::int64_t source_oid) {
    std::string sql = "SELECT " + mark_of("$2::bigint::oid") +
                      " WHERE NOT EXISTS (SELECT FROM pgeist.chunks WHERE job = $1 AND kind = 'verify')";
    const pg::result row = co_await session.query(std::move(sql), job, source_oid);
    std::optional<std::int64_t> file;
    if (!row.empty() && !row.is_null(0, 0)) {
        file = row.integer(0, 0);
    }
    co_return file;
}

awaitable<void> save_compared_file(pg::connection& session, tenure mine, std::int64_t file) {
    const pg::result saved =
        co_await session.query("UPDATE pgeist.jobs SET source_filenode = $3 WHERE id = $1 AND incarnation = $2",
                               mine.job, mine.incarnation, file);
    require_ours(mine, saved);
}

awaitable<source_rows> source_rows_since(pg::connection& session, std::int64_t job, std::int64_t source_oid) {
    const std::vector<source_rows> found = co_await source_rows_since(session, std::vector<std::int64_t>(1, job),
                                                                      std::vector<std::int64_t>(1, source_oid));
    co_return found.front();
}

awaitable<std::vector<source_rows>> source_rows_since(pg::connection& session, std::vector<std::int64_t> jobs,
                                                      std::vector<std::int64_t> source_oids) {
    std::string sql =
        "SELECT j.source_filenode & 4294967295 = m.mark & 4294967295 AS same_file, j.source_filenode >> 32 = m.mark >> "
        "32 AS same_columns FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS o (job, source, place) CROSS "
        "JOIN LATERAL (SELECT source_filenode FROM pgeist.jobs WHERE id = o.job OFFSET 0) AS j CROSS JOIN LATERAL "
        "(SELECT " +
        mark_of("o.source::oid") + " AS mark OFFSET 0) AS m ORDER BY o.place";
    const pg::result rows =
        co_await session.query(std::move(sql), pg::array_literal(jobs), pg::array_literal(source_oids));
    std::vector<source_rows> all;
    for (int row = 0; row < rows.rows(); ++row) {
        source_rows found = source_rows::rewritten;
        if (rows.boolean(row, "same_columns")) {
            found = rows.boolean(row, "same_file") ? source_rows::in_place : source_rows::moved;
        }
        all.push_back(found);
    }
    if (all.size() != jobs.size()) {
        throw error(exit_code::failed, "the job is gone", "somebody else has removed it; run again");
    }
    co_return all;
}

}  // namespace pgeist::job
