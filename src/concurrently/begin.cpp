#include <fmt/format.h>

#include "pgeist/core/deadline.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/report/lock_wait_view.hpp"
#include "pgeist/swap/old_snapshots.hpp"
#include "run.hpp"

namespace pgeist::concurrently {

namespace {

using clock = deadline::clock;

constexpr auto snapshot_poll = std::chrono::milliseconds(100);
/// Whom to cancel or terminate is told for so long that a short transaction is over.
constexpr auto before_force = std::chrono::seconds(3);

/// Waiting for those who held a snapshot when it began.
struct snapshot_wait {
    snapshot_wait(workspace& with, swap::old_snapshots::of whose, std::string reason)
        : work(with), whom(whose), why(std::move(reason)), removal(with.observer) {}

    workspace& work;
    swap::old_snapshots::of whom;
    std::string why;
    clock::time_point began = clock::now();
    report::lock_wait_filter filter;
    lock::blocker_removal removal;

    [[nodiscard]] bool is_over() const { return clock::now() - began >= work.settings.swap_max_wait; }
};

void tell(snapshot_wait& wait, const std::vector<report::blocker>& held) {
    wait.work.progress.detail = fmt::format("waiting for an old snapshot: {}", lock::describe(held.front()));
    if (wait.filter.worth_a_line(held, clock::now())) {
        const auto waited = std::chrono::duration_cast<report::milliseconds>(clock::now() - wait.began);
        wait.work.observer.lock_waited(0, waited, held);
    }
    if (wait.is_over()) {
        throw error(exit_code::lock_not_obtained,
                    fmt::format("a snapshot that {} is still held: {}", wait.why, lock::describe(held.front())),
                    "end that transaction, raise --swap-max-wait, or begin all the same with --ignore-old-snapshots; "
                    "then go on with: pgeist resume JOB");
    }
}

/// @returns false when the run is held back meanwhile
awaitable<bool> snapshots_gone(snapshot_wait& wait, pg::connection& session) {
    auto snapshots = co_await swap::old_snapshots::taken_now(session, wait.whom);
    while (!wait.work.settings.ignore_old_snapshots) {  // `pgeist set` may say so at any time
        const auto held = co_await snapshots.still_held(session);
        if (held.empty()) {
            break;
        }
        if (wait.work.limiter.holds_back()) {
            co_return false;
        }
        tell(wait, held);
        if (clock::now() - wait.began >= before_force) {
            co_await wait.removal.remove(session, held, wait.work.settings.blocked);
        }
        co_await pg::sleep_for(snapshot_poll);
    }
    co_return true;
}

}  // namespace

awaitable<void> wait_to_begin(workspace& work) {
    std::string why = "CONCURRENTLY would wait for";
    co_await wait_for_snapshots(work, swap::old_snapshots::of::everybody, std::move(why));
}

awaitable<void> wait_for_snapshots(workspace& work, swap::old_snapshots::of whom, std::string why) {
    const auto session = co_await work.pool.acquire();
    bool may_begin = false;
    snapshot_wait wait(work, whom, std::move(why));
    while (!may_begin) {
        co_await work.limiter.before_chunk(0, std::chrono::nanoseconds(0));
        may_begin = co_await snapshots_gone(wait, *session);
        may_begin = may_begin && !work.limiter.holds_back();
    }
    work.progress.blocked_by.clear();
}

}  // namespace pgeist::concurrently
