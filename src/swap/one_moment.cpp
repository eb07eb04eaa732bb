#include "pgeist/swap/one_moment.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/read_side.hpp"

namespace pgeist::swap {

namespace {

constexpr int most_passes = 5;

awaitable<void> build_ahead(const exchanged& of, pg::connection& session) {
    co_await session.execute("SET LOCAL array_nulls TO on");  // as the server prints arrays
    for (const plan::statement& each : of.work->plan.swap.statements(plan::stage::ahead)) {
        of.work->progress.detail = "building " + each.label;
        co_await session.execute(each.sql);
    }
}

/// New foreign keys from one of the tables to another: both sides are of one instant here, and only here.
awaitable<void> require_no_violations(const exchanged& of, pg::connection& session) {
    for (const plan::statement& each : of.work->plan.violations_between) {
        of.work->progress.detail = "checking " + each.label;
        const pg::result rows = co_await session.query(each.sql);
        std::vector<std::string> keys;
        for (int row = 0; row < rows.rows(); ++row) {
            keys.push_back(rows.text(row, 0));
        }
        if (!keys.empty()) {
            const bool back = of.work->transfer.sets_apart;
            throw error(back ? exit_code::refused : exit_code::failed,
                        fmt::format("rows of {} violate {}; their keys: {}", of.work->plan.table.display(), each.label,
                                    join(keys, "; ")),
                        back ? "nothing was swapped, the way back stays open; mend the rows, then: pgeist revert JOB"
                             : "the source tables are untouched; mend the rows or the change, remove this job with: "
                               "pgeist cleanup, and run again");
        }
    }
}

awaitable<void> begin(const std::vector<exchanged>& tables, pg::connection& session) {
    std::vector<std::string> names;
    for (const exchanged& each : tables) {
        names.push_back("ONLY " + each.work->transfer.read.name.sql());
        names.push_back("ONLY " + each.work->transfer.write.name.sql());
    }
    // Before the snapshot, as in_snapshot() does it, and for its reasons.
    co_await session.execute(
        fmt::format("BEGIN ISOLATION LEVEL REPEATABLE READ; LOCK TABLE {} IN ACCESS SHARE MODE", join(names, ", ")));
    for (const exchanged& each : tables) {
        co_await job::require_tenure(session, each.work->tenure());
        co_await transfer::require_name(session, each.work->transfer);
        const std::int64_t truncated = co_await capture::truncations(session, each.work->transfer);
        if (truncated > 0) {
            throw transfer::source_truncated();
        }
    }
}

awaitable<void> take_all(const std::vector<exchanged>& tables, pg::connection& session, ahead what) {
    co_await begin(tables, session);
    const replay::selection whole;
    for (const exchanged& each : tables) {
        static_cast<void>(co_await replay::apply(session, each.work->transfer, whole));
    }
    if (what == ahead::leave_out) {
        co_return;
    }
    for (const exchanged& each : tables) {
        co_await require_no_violations(each, session);
    }
    for (const exchanged& each : tables) {
        co_await build_ahead(each, session);
    }
}

}  // namespace

awaitable<void> reach_one_moment(std::vector<exchanged> tables, ahead what) {
    const transfer::workspace& work = *tables.front().work;
    const auto session = co_await work.pool.acquire();
    co_await replay::prepare_replayer(*session, work.settings);
    const auto taking = [&] { return take_all(tables, *session, what); };
    for (int tries = 1;; ++tries) {
        std::exception_ptr failure;
        bool passing = false;
        try {
            co_await pg::conclude(*session, taking);
        } catch (const pg::sql_error& problem) {
            passing = problem.retryable() && !problem.poisons_connection() && tries < most_passes;
            failure = std::current_exception();
        }
        if (!failure) {
            break;
        }
        if (!passing) {
            std::rethrow_exception(failure);
        }
        co_await pg::sleep_for(std::chrono::milliseconds(20 * tries));
    }
}

}  // namespace pgeist::swap
