#include "pgeist/tasks/rewrite/source_watch.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/tasks/rewrite/phases.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/read_side.hpp"

namespace pgeist::rewrite {

namespace {

using clock = deadline::clock;

constexpr auto between_checks = std::chrono::milliseconds(1000);
constexpr auto between_sizes = std::chrono::milliseconds(500);
/// A check that takes long, on a large catalog, is made less often: it costs the server two percent of a core at most.
constexpr int least_rest = 50;

}  // namespace

source_watch::source_watch(build::workspace& work, const task::kind& kind, const task::controls& steering)
    : work_(&work), kind_(&kind), steering_(&steering), next_check_(clock::now()), next_size_(clock::now()) {}

awaitable<void> source_watch::look(pg::connection& session, const task::phase& now) {
    const auto& phases = kind_->phases();
    const bool captured = kind_->is_before(phases[static_cast<std::size_t>(step::capture)], now) && !now.in_effect;
    if (clock::now() >= next_size_) {
        next_size_ = clock::now() + between_sizes;
        co_await check_log_size(session);
    }
    if (clock::now() >= next_check_) {
        const auto began = clock::now();
        if (captured) {
            co_await check_source(session, now);
        }
        const auto ended = clock::now();
        next_check_ = ended + std::max<clock::duration>(between_checks, least_rest * (ended - began));
    }
}

/// Stops before a log that replay cannot keep up with fills the disk. After the swap nobody writes to it.
awaitable<void> source_watch::check_log_size(pg::connection& session) {
    if (!work_->settings.max_log_size || steering_->effect_state() != task::effect::to_come) {
        co_return;
    }
    std::int64_t bytes = 0;
    try {
        bytes = co_await capture::log_bytes(session, work_->transfer);
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection() || !failure.passing()) {
            throw;
        }
    }
    const bool too_large = bytes > work_->settings.max_log_size.value_or(bytes);  // `pgeist set` may have taken it away
    if (too_large &&
        steering_->effect_state() == task::effect::to_come) {  // still: an attempt may have begun meanwhile
        throw error(
            exit_code::failed,
            fmt::format("the change log has grown to {}, more than --max-log-size allows ({})", format_size(bytes),
                        format_size(*work_->settings.max_log_size)),
            fmt::format("the source table is untouched; capture goes on: resume in a quieter time (pgeist resume {0}) "
                        "or remove the job (pgeist cleanup {0})",
                        work_->job));
    }
}

awaitable<void> source_watch::check_source(pg::connection& session, const task::phase& looked_in) {
    const pg::connection::kept_plans keep(session);
    std::exception_ptr failure;
    try {
        co_await transfer::require_unchanged(session, work_->transfer);
        co_await capture::require_in_place(session, work_->transfer);
    } catch (const pg::sql_error& problem) {
        // Others' DDL in the middle of our look (XX000), a lock, a cancelled statement: the next look will tell.
        if (problem.poisons_connection()) {
            throw;
        }
    } catch (const cancelled&) {
        throw;  // the run has ended: who asks anything now, and goes on, goes on for ever
    } catch (const error&) {
        failure = std::current_exception();
    }
    if (failure) {
        // The swap changes the source too, and a rehearsal takes its triggers off. The phase is committed, then, before
        // we can see what was done in it; what others have done the next look sees, too.
        const job::record now = co_await job::load(session, work_->job);
        const task::phase& reached = kind_->reached(now);
        const bool went_on = kind_->is_before(looked_in, reached);
        if (!reached.in_effect && !went_on) {
            std::rethrow_exception(failure);
        }
    }
}

}  // namespace pgeist::rewrite
