#include "pgeist/supervise/session_set.hpp"

namespace pgeist::supervise {

namespace {

/// A server that does not answer for so long is lost, whatever TCP says.
constexpr auto longest_silence = std::chrono::seconds(30);

}  // namespace

awaitable<void> open_hold(session_set& sessions) {
    auto session = co_await sessions.pool.open_own("pgeist");
    session->answer_within(longest_silence);
    sessions.hold = std::make_unique<job::advisory_locks>(std::move(session));
    sessions.own.insert(sessions.hold->which());
    sessions.pool.close_idle();
    sessions.pool.admit_only(job::exists_condition(sessions.hold->which()));
}

}  // namespace pgeist::supervise
