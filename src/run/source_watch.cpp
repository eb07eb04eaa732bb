#include "pgeist/run/source_watch.hpp"

#include <algorithm>

#include "pgeist/core/error.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/read_side.hpp"

namespace pgeist::run {

namespace {

using clock = deadline::clock;

constexpr auto between_checks = std::chrono::milliseconds(1000);
constexpr auto between_notes = std::chrono::seconds(5);
constexpr auto longest_identify = std::chrono::seconds(30);
/// A check that takes long, on a large catalog, is made less often: it costs the server two percent of a core at most.
constexpr int least_rest = 50;

bool is_captured(job::phase reached) { return reached > job::phase::capture && reached <= job::phase::swap; }

}  // namespace

source_watch::source_watch(build::workspace& work, job::identity& known, const job::phase& reached)
    : work_(&work),
      known_(&known),
      reached_(&reached),
      next_check_(clock::now()),
      next_note_(clock::now() + between_notes) {}

awaitable<void> source_watch::look(pg::connection& session) {
    if (clock::now() >= next_check_) {
        const auto began = clock::now();
        co_await check_source(session);
        const auto ended = clock::now();
        next_check_ = ended + std::max<clock::duration>(between_checks, least_rest * (ended - began));
    }
    if (clock::now() >= next_note_) {
        co_await note_progress_of_wal(session);
        next_note_ = clock::now() + between_notes;
    }
}

/// The check under the swap's lock is the one that counts; this one spares hours of work that will be refused.
awaitable<void> source_watch::check_source(pg::connection& session) {
    if (!is_captured(*reached_)) {
        co_return;
    }
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
        // The swap changes the source too. It is committed, then, before we can see what it did.
        const job::record now = co_await job::load(session, work_->job);
        if (!now.swapped) {
            std::rethrow_exception(failure);
        }
    }
}

awaitable<void> source_watch::note_progress_of_wal(pg::connection& session) {
    const job::identity now = co_await job::identify(session, work_->job, deadline::in(longest_identify));
    known_->timeline = now.timeline ? now.timeline : known_->timeline;
    known_->flushed = now.flushed ? now.flushed : known_->flushed;
}

}  // namespace pgeist::run
