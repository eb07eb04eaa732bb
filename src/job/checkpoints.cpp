#include "pgeist/job/checkpoints.hpp"

#include <fmt/format.h>

#include "pgeist/walk/key_sql.hpp"
#include "rows.hpp"

namespace pgeist::job {

namespace {

std::optional<std::string> array_of(const walk::bound& bound) {
    if (!bound) {
        return std::nullopt;
    }
    return pg::array_literal(*bound);
}

walk::bound bound_from(const pg::result& rows, int row, const char* name) {
    const int column = rows.column(name);
    if (rows.is_null(row, column)) {
        return std::nullopt;
    }
    return rows.array(row, column);
}

}  // namespace

awaitable<void> save_chunk(pg::connection& session, std::int64_t job, const char* kind, walk::key_range range,
                           chunk_counts counts) {
    std::string sql =
        "INSERT INTO pgeist.chunks (job, kind, lower, upper, rows, shadow_rows, checksum, shadow_checksum) "
        "VALUES ($1, $2, $3::text[], $4::text[], $5, $6, $7::numeric, $8::numeric)";
    if (!counts.saw) {
        co_await session.query(std::move(sql), job, kind, array_of(range.lower), array_of(range.upper), counts.rows,
                               counts.write_rows, counts.checksum, counts.write_checksum);
        co_return;
    }
    sql =
        "INSERT INTO pgeist.chunks (job, kind, lower, upper, rows, shadow_rows, checksum, shadow_checksum, looked_in, "
        "saw) VALUES ($1, $2, $3::text[], $4::text[], $5, $6, $7::numeric, $8::numeric, pg_current_xact_id(), "
        "$9::pg_snapshot)";
    co_await session.query(std::move(sql), job, kind, array_of(range.lower), array_of(range.upper), counts.rows,
                           counts.write_rows, counts.checksum, counts.write_checksum, *counts.saw);
}

awaitable<finished_chunks> load_chunks(pg::connection& session, std::int64_t job, const char* kind,
                                       const walk::key& key) {
    std::string sql = fmt::format(
        "SELECT lower, upper, rows FROM pgeist.chunks WHERE job = $1 AND kind = $2 ORDER BY lower IS NOT NULL, {}",
        walk::order_by_stored(key, "lower"));
    const pg::result found = co_await session.query(std::move(sql), job, kind);
    finished_chunks chunks;
    for (int row = 0; row < found.rows(); ++row) {
        walk::key_range range;
        range.lower = bound_from(found, row, "lower");
        range.upper = bound_from(found, row, "upper");
        chunks.ranges.push_back(std::move(range));
        chunks.rows += found.integer(row, "rows");
    }
    co_return chunks;
}

awaitable<std::vector<looked_at>> load_findings(pg::connection& session, std::int64_t job, const char* kind) {
    const pg::result found = co_await session.query(
        "SELECT lower, upper, looked_in, saw FROM pgeist.chunks WHERE job = $1 AND kind = $2 AND shadow_rows > 0 "
        "AND looked_in IS NOT NULL ORDER BY done_at",
        job, kind);
    std::vector<looked_at> chunks;
    for (int row = 0; row < found.rows(); ++row) {
        looked_at one;
        one.range.lower = bound_from(found, row, "lower");
        one.range.upper = bound_from(found, row, "upper");
        one.looked_in = found.text(row, "looked_in");
        one.saw = found.text(row, "saw");
        chunks.push_back(std::move(one));
    }
    co_return chunks;
}

awaitable<void> forget_chunks(pg::connection& session, tenure mine, const char* kind) {
    const pg::result row = co_await session.query(
        "WITH mine AS (SELECT id FROM pgeist.jobs WHERE id = $1 AND incarnation = $2 FOR KEY SHARE), "
        "gone AS (DELETE FROM pgeist.chunks c USING mine WHERE c.job = mine.id AND c.kind = $3) "
        "SELECT count(*) FROM mine",
        mine.job, mine.incarnation, kind);
    if (row.integer(0, 0) == 0) {
        throw_not_ours(mine.job);
    }
}

awaitable<std::int64_t> rows_in_chunks(pg::connection& session, std::int64_t job, const char* kind) {
    const pg::result row = co_await session.query(
        "SELECT coalesce(sum(rows), 0)::bigint FROM pgeist.chunks WHERE job = $1 AND kind = $2", job, kind);
    co_return row.integer(0, 0);
}

}  // namespace pgeist::job
