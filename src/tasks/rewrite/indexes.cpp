#include "pgeist/build/index_builder.hpp"

#include "pgeist/pg/parallel.hpp"
#include "pgeist/tasks/rewrite/replay_times.hpp"
#include "pgeist/tasks/rewrite/work.hpp"

namespace pgeist::rewrite {

/// A change made during the copy would have to be replayed into every index that there is: so the key's alone is built
/// first, unless there was none.
awaitable<void> work::build_key() {
    co_await work_.limiter.before_chunk(0, std::chrono::nanoseconds(0));
    const bool unchanged = co_await changes_.at_consistent_point();
    co_await build::build_key_index(work_, unchanged);
}

/// Index builds cannot be slowed, so they are begun when nothing speaks against it; replay goes on until then.
awaitable<void> work::wait_to_build() {
    while (work_.limiter.holds_back()) {
        work_.progress.detail = "waiting to build indexes";
        co_await changes_.pass();
        co_await pg::sleep_for(replay_pause);
    }
}

awaitable<void> work::build() {
    work_.progress.rows_total = 0;
    bool complete = false;
    while (!complete) {
        co_await wait_to_build();
        // A resumed run may find here what was logged in days: too much for the one batch that follows.
        co_await changes_.catch_up(small_backlog);
        // Unique and exclusion indexes can only be built where the shadow equals the source as of one moment.
        co_await changes_.reach_consistent_point();
        complete = co_await build::build_indexes(work_);
    }
    co_await build::vacuum_shadow(work_);
}

}  // namespace pgeist::rewrite
