#include "pgeist/transfer/capture/capture.hpp"

#include "pgeist/job/in_tenure.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/tasks/rewrite/work.hpp"
#include "pgeist/transfer/read_side.hpp"

namespace pgeist::rewrite {

namespace {

/// Under the lock that keeps writers out.
awaitable<void> install_capture(build::workspace& work, pg::connection& session) {
    co_await transfer::require_unchanged(session, work.transfer);
    co_await capture::ensure_functions(session, work.transfer);
    co_await session.execute(capture::triggers_sql(work.transfer));
    co_await job::save_source_file(session, work.tenure(), work.plan.source_oid);
    co_await job::save_phase(session, work.tenure(), "copy");
}

}  // namespace

awaitable<void> work::capture() {
    const auto session = co_await work_.pool.acquire();
    const auto observer_session = co_await work_.pool.acquire();
    const bool present = co_await capture::in_place(*session, work_.transfer);
    if (present) {
        co_return;
    }
    lock::target target;
    target.tables.push_back(work_.plan.table);
    target.mode = lock::mode::share_row_exclusive;
    lock::policy rules;
    rules.lock_timeout = work_.settings.lock_timeout;
    rules.attempts = work_.settings.swap_attempts;
    rules.max_wait = work_.settings.swap_max_wait;
    co_await lock::fit_to_server(*session, rules);
    co_await lock::acquire(*session, *observer_session, target, rules, work_.settings.blocked, work_.observer,
                           &work_.settings);
    const auto installation = [&] { return install_capture(work_, *session); };
    co_await job::conclude_in_tenure(*session, work_.tenure(), installation);
}

}  // namespace pgeist::rewrite
