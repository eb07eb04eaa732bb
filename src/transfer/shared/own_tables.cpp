#include "pgeist/transfer/shared/own_tables.hpp"

#include <fmt/format.h>

#include "pgeist/lock/table_lock.hpp"

namespace pgeist::transfer {

namespace {

using clock = deadline::clock;

constexpr auto between_messages = std::chrono::minutes(1);

awaitable<std::vector<report::blocker>> who_is_there(pg::connection& session, const spec& of) {
    const pg::result rows = co_await session.query(
        "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relkind IN ('r', 'm') ORDER BY 1",
        quote_identifier(of.schema));
    lock::target wanted;
    for (int row = 0; row < rows.rows(); ++row) {
        wanted.tables.push_back(qualified_name{of.schema, rows.text(row, 0)});
    }
    std::vector<report::blocker> found = co_await lock::find_blockers(session, wanted, session.backend_pid());
    co_return found;
}

}  // namespace

own_tables_wait::own_tables_wait(workspace& work) : work_(&work), next_told_(clock::now()) {}

std::string own_tables_wait::timeout_sql() {
    return "SELECT set_config('lock_timeout', (setting::bigint + 2000)::text, true) FROM pg_settings WHERE name = "
           "'deadlock_timeout'";
}

awaitable<void> own_tables_wait::tell(pg::connection& session) {
    const std::vector<report::blocker> holders = co_await who_is_there(session, work_->transfer);
    const std::string who = holders.empty() ? "somebody who has gone meanwhile" : lock::describe(holders.front());
    const std::string what = fmt::format("tables in schema {}, which belong to the run alone, are held by {}",
                                         display_identifier(work_->transfer.schema), who);
    began_ = began_.value_or(clock::now());
    if (clock::now() >= *began_ + work_->settings.swap_max_wait) {
        throw error(exit_code::lock_not_obtained, what,
                    "end that transaction, or allow more with --swap-max-wait; then go on with: pgeist resume JOB");
    }
    work_->progress.detail = "waiting: " + what;
    if (clock::now() >= next_told_ && !holders.empty()) {
        work_->observer.message(report::level::warning, what + "; the run waits until it has ended");
        next_told_ = clock::now() + between_messages;
    }
}

}  // namespace pgeist::transfer
