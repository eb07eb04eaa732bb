#include "pgeist/swap/prediction.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/job/source_file.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/swap/changing_rights.hpp"
#include "pgeist/swap/exchange.hpp"
#include "pgeist/swap/fidelity.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/read_side.hpp"

namespace pgeist::swap {

namespace {

using clock = deadline::clock;

/// The source to the passage, the shadow to the source's place, the source to the shadow's.
constexpr double moves_in_swap = 3;
/// The last changes, the job's row, and the end of the transaction.
constexpr double always_ms = 2;

constexpr int most_tries = 3;
/// Where nothing could be measured.
constexpr double ms_a_statement = 1;

double since(clock::time_point began) {
    return std::chrono::duration<double, std::milli>(clock::now() - began).count();
}

/// What the swap asks under its lock.
awaitable<void> ask(build::workspace& work, pg::connection& session) {
    pg::inquiry of_source(session, std::vector<std::int64_t>(1, work.plan.source_oid));
    static_cast<void>(co_await rights_of_old(of_source, work.plan.source_oid));
    {
        const pg::connection::kept_plans keep(session);
        co_await transfer::require_unchanged(session, work.transfer);
        co_await capture::require_in_place(session, work.transfer);
        static_cast<void>(co_await job::source_rows_since(session, work.job, work.plan.source_oid));
    }
    co_await warm_up(session, std::vector<const plan::blueprint*>(1, &work.plan));
    static_cast<void>(co_await rights_of_old(of_source, work.plan.source_oid));
    static_cast<void>(co_await changing_rights(of_source, work.plan.source_oid));
}

int statements_of(const build::workspace& work) {
    const plan::swap_plan all = all_steps(work.plan, work.transfer);
    std::size_t count = 0;
    for (const auto when : plan::stages_under_locks) {
        count += all.statements(when).size();
    }
    return static_cast<int>(count);
}

awaitable<void> measure(build::workspace& work, pg::connection& session, double& into) {
    co_await session.execute(
        fmt::format("SET LOCAL lock_timeout = '2s'; LOCK TABLE {} IN ACCESS EXCLUSIVE MODE", work.plan.shadow().sql()));
    co_await ask(work, session);  // so that the server has it planned, as it has in the swap
    auto began = clock::now();
    co_await ask(work, session);
    const double questions = since(began);

    const std::string there = quote_identifier(work.plan.passage_schema);
    const std::string home = quote_identifier(work.plan.job_schema);
    const std::string moved = qualified_name{work.plan.passage_schema, work.plan.table.name}.sql();
    const std::string to_and_fro = fmt::format("ALTER TABLE {} SET SCHEMA {}; ALTER TABLE {} SET SCHEMA {}",
                                               work.plan.shadow().sql(), there, moved, home);
    began = clock::now();
    co_await session.execute(to_and_fro);
    const double moves = since(began) / 2 * moves_in_swap;

    const std::string small = fmt::format(
        "ALTER TABLE {0} DISABLE TRIGGER USER; ALTER TABLE {0} ENABLE TRIGGER USER; ALTER TABLE {0} "
        "ALTER {1} SET STATISTICS 100; ALTER TABLE {0} ALTER {1} SET STATISTICS -1",
        work.plan.shadow().sql(), quote_identifier(work.plan.columns.front().name));
    began = clock::now();
    co_await session.execute(small);
    const double others = since(began) / 4 * std::max(0.0, statements_of(work) - moves_in_swap);
    into = questions + moves + others + always_ms;
}

}  // namespace

lock::target locked_by_swap(const plan::blueprint& plan) {
    lock::target all;
    all.parents = plan.swap.locked_parents();
    all.tables.push_back(plan.table);
    const std::vector<qualified_name> others = plan.swap.locked_tables();
    all.tables.insert(all.tables.end(), others.begin(), others.end());
    return all;
}

awaitable<double> predict_lock_ms(build::workspace& work, pg::connection& session) {
    double predicted = 0;
    co_await session.execute("SET plan_cache_mode = force_generic_plan");
    const auto measuring = [&] { return measure(work, session, predicted); };
    for (int tries = 1; tries <= most_tries; ++tries) {
        try {
            co_await pg::rolled_back(session, measuring);
            break;
        } catch (const pg::sql_error& problem) {  // autovacuum has come to the shadow, and is slow to go
            if (!problem.passing() || problem.poisons_connection()) {
                throw;
            }
            predicted = always_ms + ms_a_statement * statements_of(work);
        }
    }
    co_await session.execute("RESET plan_cache_mode");
    co_return predicted;
}

}  // namespace pgeist::swap
