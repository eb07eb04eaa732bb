#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/fill/filler.hpp"
#include "pgeist/job/checkpoints.hpp"
#include "pgeist/transfer/verify/range_workers.hpp"
#include "statements.hpp"

namespace pgeist::fill {

namespace {

constexpr const char* totals_sql = R"(
    SELECT count(*) FILTER (WHERE kind = $3) AS chunks, coalesce(sum(rows) FILTER (WHERE kind = $3), 0)::bigint AS looked_at,
           coalesce(sum(shadow_rows), 0)::bigint AS written, coalesce(sum(checksum), 0)::bigint AS hot,
           coalesce(sum(shadow_rows) FILTER (WHERE kind = $3), 0)::bigint AS second
      FROM pgeist.chunks WHERE job = $1 AND kind IN ($2, $3))";

constexpr std::size_t most_named = 10;

}  // namespace

awaitable<totals> filler::count() {
    const auto session = co_await work_->pool.acquire();
    const pg::result row = co_await session->query(totals_sql, work_->job, first_, second_);
    totals out;
    out.chunks = row.integer(0, "chunks");
    out.looked_at = row.integer(0, "looked_at");
    out.written = row.integer(0, "written");
    out.hot = row.integer(0, "hot");
    out.second = row.integer(0, "second");
    co_return out;
}

/// Where the second pass has found nothing, all rows were right when it looked.
awaitable<void> filler::last_look(totals& so_far) {
    const auto session = co_await work_->pool.acquire();
    co_await verify::prepare_to_look(*session, work_->settings);
    const auto chunks = co_await job::load_findings(*session, work_->job, second_.c_str());
    std::int64_t wrong = 0;
    std::vector<std::string> named;
    for (const job::looked_at& each : chunks) {
        walk::bound_sql sql = statements(work_->spec).left(each.range, each.looked_in, each.saw);
        const pg::result row =
            co_await session->query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
        wrong += row.integer(0, "known");
        so_far.after += row.integer(0, "since");
        for (const std::string& key : row.array(0, "keys")) {
            if (named.size() < most_named) {
                named.push_back(key);
            }
        }
    }
    report::verification found;
    found.chunks = so_far.chunks;
    found.rows = so_far.looked_at;
    found.differences = wrong;
    found.repaired = so_far.second;
    found.rows_after = so_far.after;
    work_->observer.verified(found);
    if (wrong > 0) {
        // Whoever resumes looks at all rows again.
        co_await job::forget_chunks(*session, work_->tenure(), second_.c_str());
        throw error(
            exit_code::verification_failed,
            fmt::format("{} rows of {} {}, though nobody has written them since: {}", wrong,
                        work_->spec.table.display(),
                        work_->spec.removes() ? "are still there" : "do not have their new value", join(named, "; ")),
            fmt::format("look for a trigger that gives them another value, or keeps them, or for a function in the "
                        "expression whose value depends on other rows of the table, and so on the order (let it read a "
                        "copy of them); then go on with: pgeist resume {}",
                        work_->job));
    }
}

}  // namespace pgeist::fill
