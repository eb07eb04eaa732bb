#include "calibration.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/job/state_trust.hpp"

namespace pgeist::steps {

namespace {

// `pace` is what the estimate was corrected by already: without it a server that is known to be slow would seem to be
// as fast as any as soon as its estimates come true.
constexpr const char* paces_sql = R"sql(
    SELECT kind, percentile_cont(0.5) WITHIN GROUP (ORDER BY work_ms / estimated) AS factor, count(*) AS steps
      FROM (SELECT kind, work_ms, estimated, row_number() OVER (PARTITION BY kind ORDER BY finished_at DESC) AS age
              FROM (SELECT work_ms, finished_at,
                           (plan ->> 'estimated_ms')::float8 / coalesce((plan ->> 'pace')::float8, 1) AS estimated,
                           CASE WHEN plan -> 'rewrites' <> '[]' THEN 'rewrite'
                                WHEN plan -> 'builds' <> '[]' THEN 'build'
                                WHEN plan -> 'scans' <> '[]' THEN 'scan' END AS kind
                      FROM pgeist.steps
                     WHERE state = 'done' AND work_ms > 0 AND method IN ('native', 'validate', 'concurrently')
                       AND NOT plan -> 'locks' @> '[{"mode": "row_exclusive"}]'
                   ) AS done
             WHERE kind IS NOT NULL AND estimated >= 20) AS long
     WHERE age <= 20 GROUP BY kind)sql";

}  // namespace

pace paces::of(const probe::effect& does) const {
    const bool query = std::any_of(does.locks.begin(), does.locks.end(),
                                   [](const auto& each) { return each.mode == probe::lock_mode::row_exclusive; });
    if (query) {
        return {};
    }
    if (!does.rewrites.empty()) {
        return rewrite;
    }
    return does.builds.empty() ? scan : build;
}

awaitable<paces> read_paces(pg::connection& session) {
    paces known;
    const bool own = co_await job::is_own_state(session);
    const pg::result there = co_await session.query(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = to_regclass('pgeist.steps') AND attname = "
        "'work_ms')");
    if (!own || !there.boolean(0, 0)) {
        co_return known;
    }
    constexpr double most = 20;
    const pg::result rows = co_await session.query(paces_sql);
    for (int row = 0; row < rows.rows(); ++row) {
        const std::string kind = rows.text(row, "kind");
        pace& into = kind == "rewrite" ? known.rewrite : kind == "build" ? known.build : known.scan;
        into.factor = std::clamp(rows.number(row, rows.column("factor")), 1 / most, most);
        into.steps = static_cast<int>(rows.integer(row, "steps"));
    }
    co_return known;
}

void correct(probe::effect& does, const pace& by) {
    if (!does.work_ms || !does.works()) {
        return;
    }
    *does.work_ms = static_cast<std::int64_t>(static_cast<double>(*does.work_ms) * by.factor);
    if (does.blocks_ms && *does.blocks_ms > 0) {
        does.blocks_ms = std::max<std::int64_t>(1, *does.work_ms);
    }
}

std::string described(const pace& known) {
    if (known.steps == 0) {
        return "";
    }
    return fmt::format(" (by what {} earlier step{} of the kind took here)", known.steps, known.steps == 1 ? "" : "s");
}

}  // namespace pgeist::steps
