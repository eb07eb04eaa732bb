#include "pgeist/tasks/rehearse/rehearsal.hpp"

#include <utility>

#include <boost/asio/this_coro.hpp>

#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/swap/prediction.hpp"
#include "pgeist/swap/swapper.hpp"
#include "pgeist/tasks/rehearse/kind.hpp"
#include "pgeist/tasks/rewrite/other_tables.hpp"

namespace pgeist::rehearse {

namespace {

using clock = deadline::clock;

constexpr auto between_looks = std::chrono::milliseconds(250);
constexpr auto between_sizes = std::chrono::milliseconds(1000);
/// Where a run is short: so many looks are made before it is over.
constexpr std::int64_t least_looks = 20;

/// Nobody steers the exchange: it is taken back.
class nobody final : public swap::gate {};

awaitable<void> prepare_others(const std::vector<swap::exchanged>& tables) {
    for (const swap::exchanged& each : tables) {
        co_await rewrite::prepare_other_tables(*each.work);
    }
}

awaitable<void> release_others(const std::vector<swap::exchanged>& tables) {
    for (const swap::exchanged& each : tables) {
        co_await rewrite::release_other_tables(*each.work);
    }
}

}  // namespace

rehearsal::rehearsal(const task::context& with) : with_(with), next_look_(clock::now()), next_size_(clock::now()) {}

awaitable<void> rehearsal::phase_begins(std::string name) {
    const auto session = co_await with_.pool.acquire();
    co_await found_.begin(*session, std::move(name));
}

awaitable<void> rehearsal::phase_ends(std::string name, std::vector<std::string> schemas) {
    const auto session = co_await with_.pool.acquire();
    co_await found_.end(*session, std::move(name));
    co_await found_.look_at_size(*session, std::move(schemas));
}

awaitable<void> rehearsal::look(pg::connection& session, const lock::target& wanted, std::int64_t own,
                                std::vector<std::string> schemas) {
    if (with_.chosen.locks == run::rehearsed_locks::sample && clock::now() >= next_look_) {
        next_look_ = clock::now() + between_looks;
        std::vector<report::blocker> holders = co_await lock::find_blockers(session, wanted, session.backend_pid());
        const std::string name = job::session_name(own);
        std::erase_if(holders, [&](const report::blocker& each) { return each.application.rfind(name, 0) == 0; });
        found_.look(holders);
    }
    if (!exchanging_ && clock::now() >= next_size_) {  // who asks for the size of a table waits for its lock
        next_size_ = clock::now() + between_sizes;
        co_await found_.look_at_size(session, std::move(schemas));
    }
}

awaitable<void> rehearsal::rehearse_swap(std::vector<swap::exchanged> tables, std::function<awaitable<void>()> pass) {
    {
        const auto session = co_await with_.pool.acquire();
        for (const swap::exchanged& each : tables) {
            const double ms = co_await swap::predict_lock_ms(*each.work, *session);
            predicted_lock_ms_ += ms;
        }
    }
    with_.progress.detail = "looking who would be in the way";
    while (with_.chosen.locks == run::rehearsed_locks::sample && found_.looks() < least_looks) {
        co_await pass();
        co_await pg::sleep_for(between_looks / 2);
    }
    if (with_.chosen.locks == run::rehearsed_locks::take) {
        co_await exchange(tables);
    }
}

/// As a run does it, but for the commit. What it did to other tables goes, whatever happens.
awaitable<void> rehearsal::exchange(const std::vector<swap::exchanged>& tables) {
    nobody gate;
    swap::swapper exchanger(tables, gate, swap::swapper::ending::rollback);
    std::optional<report::swap_outcome> done;
    std::exception_ptr failure;
    exchanging_ = true;
    try {
        co_await prepare_others(tables);
        done = co_await exchanger.swap();
    } catch (...) {
        failure = std::current_exception();
    }
    exchanging_ = false;
    co_await boost::asio::this_coro::throw_if_cancelled(false);
    co_await pg::shielded(release_others(tables));
    co_await boost::asio::this_coro::throw_if_cancelled(true);
    if (failure) {
        std::rethrow_exception(failure);
    }
    if (done) {
        lock_ms_ = done->lock_held_ms;
        attempts_ = done->attempts;
    }
}

awaitable<void> rehearsal::tell(std::string tables, std::string change, report::table_size here, std::int64_t own) {
    report::rehearsal result = found_.result();
    const run::settings& chosen = with_.chosen;
    result.table = std::move(tables);
    result.change = std::move(change);
    result.locks = run::word_of(chosen.locks);
    result.predicted_lock_ms = predicted_lock_ms_;
    result.lock_ms = lock_ms_;
    result.attempts = attempts_;
    if (chosen.scale_rows > 0) {
        report::table_size there;
        there.rows = chosen.scale_rows;
        there.table_bytes = chosen.scale_table_bytes;
        there.index_bytes = chosen.scale_index_bytes;
        result.scaled = report::scaled_to(result, here, there);
    }
    const auto session = co_await with_.pool.acquire();
    co_await job::add_event(*session, own, figures_event, report::to_json(result));
    with_.observer.rehearsed(result);
}

}  // namespace pgeist::rehearse
