#include <fmt/format.h>

#include "pgeist/build/index_builder.hpp"
#include "pgeist/transfer/shared/own_tables.hpp"

namespace pgeist::build {

namespace {

awaitable<void> run_statements(workspace& work, pg::connection& session) {
    co_await session.execute("SET LOCAL array_nulls TO on");  // as the server prints arrays
    for (const plan::statement& each : work.plan.swap.statements(plan::stage::ahead)) {
        work.progress.detail = "building " + each.label;
        co_await session.execute(each.sql);
    }
}

}  // namespace

awaitable<void> build_ahead(workspace& work) {
    if (work.plan.swap.statements(plan::stage::ahead).empty()) {
        co_return;
    }
    const auto session = co_await work.pool.acquire();
    const auto statements = [&] { return run_statements(work, *session); };
    co_await transfer::in_tenure_alone(work, *session, statements);
}

}  // namespace pgeist::build
