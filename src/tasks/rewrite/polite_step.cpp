#include "polite_step.hpp"

#include "pgeist/job/record.hpp"
#include "pgeist/lock/politely.hpp"

namespace pgeist::rewrite {

awaitable<std::optional<pg::sql_error>> run_politely(build::workspace& work, pg::connection& session,
                                                     plan::statement step, int most_attempts) {
    lock::policy rules;
    rules.lock_timeout = work.settings.lock_timeout;
    rules.attempts = most_attempts;
    work.progress.detail = step.label;
    const auto ours = [&work](pg::connection& used) { return job::require_tenure(used, work.tenure()); };
    std::optional<pg::sql_error> blocked = co_await lock::politely(session, step.sql, rules, ours);
    co_return blocked;
}

}  // namespace pgeist::rewrite
