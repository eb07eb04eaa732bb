#include "pgeist/swap/swapper.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/units.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/swap/changing_rights.hpp"
#include "pgeist/swap/exchange.hpp"
#include "pgeist/swap/fidelity.hpp"
#include "pgeist/swap/old_snapshots.hpp"
#include "pgeist/swap/one_moment.hpp"
#include "pgeist/swap/practice.hpp"
#include "pgeist/swap/temporary_views.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::swap {

namespace {

using clock = deadline::clock;

/// How long one round waits for old snapshots before it replays what has come in meanwhile.
constexpr auto snapshot_round = std::chrono::milliseconds(1000);
constexpr auto snapshot_poll = std::chrono::milliseconds(10);
constexpr int attempts_before_force = 3;
constexpr int rounds_before_force = 2;
/// What is left to replay when the lock is asked for may take a quarter of what one attempt may cost the application.
constexpr int share_of_budget = 4;
/// How long the last drain may take at first. What is more is replayed without the lock, which is asked for again: the
/// application waits twice, each time for milliseconds. It is four times as much after each time that this did not
/// help.
constexpr auto first_drain = std::chrono::milliseconds(5);
constexpr int passes_before_lock = 3;
/// Attempts that may fail though the lock was granted.
constexpr int most_failures = 3;
constexpr std::int64_t always_affordable = 100;  // changes
/// A request that the job's row shows is read by the run within half a second, mostly at once.
constexpr auto until_request_is_read = std::chrono::milliseconds(100);

}  // namespace

namespace {

lock::target locks_of(const std::vector<exchanged>& tables) {
    lock::target target;
    std::vector<plan::swap_plan> plans;
    for (const exchanged& each : tables) {
        target.own.push_back(each.work->plan.shadow());
        target.tables.push_back(each.work->plan.table);
        plans.push_back(each.work->plan.swap);
    }
    const plan::swap_plan whole = plan::merged(plans);
    target.parents = whole.locked_parents();
    target.lock_statements = whole.statements_that_lock(target.tables);
    const std::vector<qualified_name> others = whole.locked_besides(target.tables);
    target.tables.insert(target.tables.end(), others.begin(), others.end());
    return target;
}

}  // namespace

swapper::swapper(build::workspace& work, replay::replayer& changes, gate& user, ending how)
    : swapper(std::vector<exchanged>{{&work, &changes}}, user, how) {}

swapper::swapper(std::vector<exchanged> tables, gate& user, ending how)
    : tables_(std::move(tables)),
      work_(tables_.front().work),
      gate_(&user),
      ending_(how),
      target_(locks_of(tables_)),
      removal_(work_->observer),
      started_(clock::now()),
      drain_(first_drain) {}

bool swapper::waited_long_enough() const { return clock::now() >= started_ + work_->settings.swap_max_wait; }

void swapper::report_blocked(int number, const std::vector<report::blocker>& blockers) {
    const auto waited = std::chrono::duration_cast<report::milliseconds>(clock::now() - started_);
    work_->observer.lock_waited(number, waited, blockers);
}

void swapper::report_backlog(int number) {
    work_->observer.message(
        beyond_all_ ? report::level::warning : report::level::info,
        fmt::format(
            "attempt {}: {} changes were waiting when the lock was granted{}; it was given back after {:.1f} ms, "
            "and they are replayed without it",
            number, format_count(too_much_), beyond_all_ ? ", more than --lock-timeout allows for" : "",
            lock_held_ms_));
}

/// @returns false when the user wants no swap now
awaitable<bool> swapper::wait_for_old_snapshots(pg::connection& observer_session) {
    auto next_report = clock::now() + std::chrono::seconds(1);
    int rounds = 0;
    if (!standbys_) {
        standbys_ = co_await standby_snapshots::older_than_now(observer_session);
    }
    while (!work_->settings.ignore_old_snapshots) {  // `pgeist set` may say so at any time
        auto snapshots = co_await old_snapshots::taken_now(observer_session);
        const auto round = deadline::in(snapshot_round);
        std::vector<report::blocker> held;
        while (true) {
            held = co_await snapshots.still_held(observer_session);
            const auto standbys = co_await standbys_->still_held(observer_session);
            held.insert(held.end(), standbys.begin(), standbys.end());
            if (held.empty()) {
                co_return true;
            }
            if (gate_->holds_swap()) {
                co_return false;
            }
            if (round.passed() || waited_long_enough()) {
                break;
            }
            co_await pg::sleep_for(snapshot_poll);
        }
        work_->progress.detail = fmt::format("waiting for an old snapshot: {}", lock::describe(held.front()));
        if (waited_long_enough()) {
            throw error(
                exit_code::lock_not_obtained,
                fmt::format("a snapshot older than the new table is still held: {}", lock::describe(held.front())),
                "end that transaction, raise --swap-max-wait, or give up the protection of old snapshots with "
                "--ignore-old-snapshots; then go on with: pgeist resume JOB");
        }
        if (clock::now() >= next_report) {
            report_blocked(0, held);
            next_report = clock::now() + std::chrono::seconds(10);
        }
        if (++rounds > rounds_before_force) {
            co_await removal_.remove(observer_session, held, work_->settings.blocked);
        }
        // What is replayed now is newer than the snapshots just looked at: they are looked at anew afterwards.
        co_await catch_up();
    }
    co_return true;
}

/// As far as it must be; and further, as far as that is quickly done.
awaitable<void> swapper::catch_up() {
    co_await catch_up_each();
    if (tables_.size() > 1) {
        co_await reach_one_moment(tables_, ahead::leave_out);
    }
}

awaitable<void> swapper::catch_up_each() {
    // What is left of all of them together is drained under one lock.
    const auto share = work_->settings.lock_timeout / (share_of_budget * static_cast<int>(tables_.size()));
    for (const exchanged& each : tables_) {
        co_await each.changes->catch_up(share);
    }
    for (int more = 0; more < passes_before_lock; ++more) {
        std::vector<std::int64_t> left;
        for (const exchanged& each : tables_) {
            left.push_back(each.work->progress.log_pending);
        }
        if (affordable(left, drain_)) {
            break;
        }
        for (const exchanged& each : tables_) {
            co_await each.changes->pass(share);
        }
    }
}

bool swapper::affordable(const std::vector<std::int64_t>& waiting, std::chrono::milliseconds time) const {
    std::int64_t all = 0;
    double share = 0;  // of the time
    for (std::size_t place = 0; place < waiting.size(); ++place) {
        all += waiting[place];
        const std::int64_t within = std::max<std::int64_t>(1, tables_[place].changes->rows_within(time));
        share += static_cast<double>(waiting[place]) / static_cast<double>(within);
    }
    return all <= always_affordable || share <= 1;
}

namespace {

awaitable<void> make_wall_function(pg::connection& session, const build::workspace& work) {
    const std::string owner = co_await capture::owner_of_job(session, work.transfer);
    co_await session.execute(wall_function_sql(work.plan, owner));
}

}  // namespace

/// Does without a lock what can be done without it, or twice, so that the server has it planned when the lock is held.
awaitable<void> swapper::warm_up(pg::connection& session) {
    for (const exchanged& each : tables_) {
        const auto wall = [&] { return make_wall_function(session, *each.work); };
        co_await job::in_tenure(session, each.work->tenure(), pg::isolation::read_committed, wall);
    }
    co_await find_sequences(session);
    co_await practise(session, work_->plan);

    co_await session.execute("SET plan_cache_mode = force_generic_plan");
    const auto questions = [&] { return ask_ahead(session); };
    co_await pg::rolled_back(session, questions);
}

awaitable<void> swapper::ask_ahead(pg::connection& session) {
    static_cast<void>(co_await pending(session));
    co_await check_unchanged(session);
    co_await swap::warm_up(session, blueprints());
    static_cast<void>(co_await changing_rights(session));
}

awaitable<void> swapper::find_sequences(pg::connection& session) {
    std::vector<pg::statement> all;
    for (const exchanged& each : tables_) {
        auto found = co_await lock::lock_owned_sequences(session, each.work->plan.source_oid);
        all.insert(all.end(), found.begin(), found.end());
    }
    target_.sequences = std::move(all);
}

awaitable<void> swapper::find_others(pg::connection& session) {
    others_.clear();
    for (const exchanged& each : tables_) {
        auto found = co_await temporary_views(session, each.work->plan.source_oid);
        others_.insert(others_.end(), found.begin(), found.end());
    }
    if (!others_.empty()) {
        co_return;
    }
    others_ = co_await changing_rights(session);
}

/// Whoever holds a table that is waited for last may want one that is held already, and then each waits for the other
/// until our time is over, again and again: a program that reads child, then parent. So the one that others hold most
/// is waited for first, with nothing else held. Views, sequences and other tables keep their places: only the order of
/// the exchanged tables is ours to choose.
awaitable<void> swapper::note_contention(pg::connection& observer_session, int own_pid) {
    if (tables_.size() == 1) {
        co_return;
    }
    const auto end = target_.tables.begin() + static_cast<std::ptrdiff_t>(tables_.size());
    std::vector<qualified_name> exchanged_ones(target_.tables.begin(), end);
    const auto counts = co_await lock::count_holders(observer_session, exchanged_ones, own_pid);
    for (std::size_t place = 0; place < counts.size(); ++place) {
        contention_[exchanged_ones[place].sql()] += counts[place];
    }
    std::stable_sort(target_.tables.begin(), end, [&](const qualified_name& one, const qualified_name& other) {
        return contention_[one.sql()] > contention_[other.sql()];
    });
}

namespace {

/// Tells the gate of an attempt for as long as it lasts.
class under_way {
public:
    explicit under_way(gate& tell) : gate_(&tell) { gate_->swap_is(state::under_way); }
    ~under_way() {
        if (!committed_) {
            gate_->swap_is(state::none);
        }
    }
    under_way(const under_way&) = delete;
    under_way& operator=(const under_way&) = delete;
    void committed() {
        committed_ = true;
        gate_->swap_is(state::committed);
    }

private:
    gate* gate_;
    bool committed_ = false;
};

}  // namespace

/// Sees to it that the log's file can be read in a few milliseconds, whoever keeps VACUUM from shortening it.
/// @returns false when that takes a lock that is not to be had now: somebody is in the way
awaitable<bool> swapper::shorten_log(const exchanged& of, pg::connection& session, pg::connection& observer_session,
                                     lock::attempt how) {
    bool& vacuumed = vacuumed_[of.work->job];
    std::int64_t bytes = co_await replay::log_file_bytes(observer_session, of.work->transfer);
    if (bytes > replay::longest_log_under_lock && !std::exchange(vacuumed, true)) {
        co_await of.changes->vacuum();
        bytes = co_await replay::log_file_bytes(observer_session, of.work->transfer);
    }
    if (bytes <= replay::longest_log_under_lock) {
        co_return true;
    }
    work_->progress.detail = "changing the change log for a short one";
    const bool changed = co_await replay::replace_log(*of.work, session, how);
    if (!changed) {
        lock::target wanted = replay::log_target(of.work->transfer);
        wanted.tables.push_back(replay::log_before_target(of.work->transfer).tables.front());
        co_await report_obstacles(std::move(wanted), session, observer_session, how);
        co_return false;
    }
    of.changes->log_was_changed();
    vacuumed = false;
    work_->observer.message(
        report::level::info,
        fmt::format("the change log's file of {} held rows that are replayed and cannot be removed yet: it was changed "
                    "for a new one",
                    format_size(bytes)));
    co_await warm_up(session);
    co_await catch_up();
    const bool ready = co_await wait_for_old_snapshots(observer_session);
    co_return ready;
}

/// Sequences are locked by giving them to the owner they have: who changed it while the lock was waited for is told of
/// as who changes anything else.
awaitable<lock::lock_result> swapper::try_locks(pg::connection& session, lock::attempt how) {
    lock::lock_result got = lock::lock_result::blocked;
    std::exception_ptr failure;
    bool other_owner = false;
    try {
        got = co_await lock::try_locks(session, target_, how);
    } catch (const pg::sql_error& problem) {
        other_owner = problem.is("0A000") && !target_.sequences.empty();
        if (!other_owner && !problem.is(pg::sqlstate::insufficient_privilege)) {
            throw;
        }
        failure = std::current_exception();
    }
    if (failure) {
        const auto tell = [&] { return check_unchanged(session); };  // unless it was undone
        co_await pg::rolled_back(session, tell);
        if (!other_owner) {
            std::rethrow_exception(failure);
        }
    }
    co_return got;
}

awaitable<swapper::attempt_result> swapper::attempt(pg::connection& session, lock::attempt how, bool last) {
    under_way now(*gate_);
    const lock::lock_result got = co_await try_locks(session, how);
    sequences_first_failed_ = got == lock::lock_result::blocked_half_way && !target_.tables_first;
    if (got != lock::lock_result::locked) {
        co_return attempt_result::blocked;
    }
    const auto locked_at = clock::now();
    std::exception_ptr failure;
    std::string passing;
    bool drained = false;
    std::optional<std::string> xid;
    try {
        xid = co_await under_lock(session, last, drained);
    } catch (const temporary_views_left& found) {
        others_ = found.views();  // made just now
    } catch (const pg::sql_error& error) {
        if (error.passing() && !error.poisons_connection()) {
            passing = fmt::format("{}{}{} ({})", step_, step_.empty() ? "" : ": ", error.what(), error.sqlstate());
        }
        failure = std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }
    const auto note_time = [&] {
        lock_held_ms_ = std::chrono::duration<double, std::milli>(clock::now() - locked_at).count();
    };
    if (!xid) {
        co_await session.rollback();
        note_time();
        if (!passing.empty()) {
            failed_ = std::move(passing);
            co_return attempt_result::failed;
        }
        if (failure) {
            std::rethrow_exception(failure);
        }
        if (!others_.empty()) {
            co_return attempt_result::blocked;
        }
        if (std::exchange(rights_changed_, false)) {
            const auto tell = [&] { return check_unchanged(session); };  // says what it is, unless it was undone
            co_await pg::rolled_back(session, tell);
            failed_ = "somebody changed the rights on it";
            co_return attempt_result::failed;
        }
        co_return drained ? attempt_result::held : attempt_result::backlog;
    }
    if (ending_ == ending::rollback) {
        co_await session.rollback();
    } else {
        co_await pg::shielded(commit(session, std::move(*xid)));
        now.committed();
    }
    note_time();
    co_return attempt_result::swapped;
}

/// What the application does with the sequences decides which way round they and the table are to be had. It may do
/// both, and where one way has failed half way the other one may do.
awaitable<void> swapper::choose_order(pg::connection& observer_session) {
    if (target_.sequences.empty()) {
        co_return;
    }
    co_await find_sequences(observer_session);  // owners may change
    const bool ahead = co_await lock::is_drawn_ahead(observer_session, target_);
    target_.tables_first = !ahead || sequences_first_failed_;
    drawn_ahead_ += ahead ? 1 : 0;
}

/// Each such attempt has cost the application some time, and nobody that could be seen was in the way.
void swapper::count_failure(int number, bool last) {
    const std::string what = fmt::format("once the table was locked: {}", failed_);
    if (++failures_ < most_failures && !last) {
        work_->observer.message(
            report::level::warning,
            fmt::format("attempt {} failed {}; the lock was given back after {:.1f} ms", number, what, lock_held_ms_));
        return;
    }
    throw error(exit_code::lock_not_obtained,
                fmt::format("the swap failed {} time{} {}", failures_, failures_ == 1 ? "" : "s", what),
                "nothing was swapped, the source table is untouched; find out what takes so long, or who holds what "
                "it waits for, or allow more with --lock-timeout; then go on with: pgeist resume JOB");
}

awaitable<void> swapper::report_obstacles(lock::target wanted, pg::connection& session,
                                          pg::connection& observer_session, lock::attempt how) {
    if (how.timeout.count() == 0 && how.number < work_->settings.swap_attempts) {
        co_return;  // asked for NOWAIT: the next attempt may do
    }
    blockers_ = others_;
    if (others_.empty()) {
        blockers_ = co_await lock::find_blockers(observer_session, wanted, session.backend_pid());
    }
    report_blocked(how.number, blockers_);
    if (how.number >= lock::schedule::nowait_attempts + attempts_before_force) {
        co_await removal_.remove(observer_session, blockers_, work_->settings.blocked);
    }
}

void swapper::throw_given_up(int attempts) const {
    if (blockers_.empty() && too_much_ > 0) {
        throw error(exit_code::lock_not_obtained,
                    fmt::format("whenever the lock was granted too many changes were waiting, {} at last",
                                format_count(too_much_)),
                    "raise --lock-timeout, or find a time with smaller transactions; then go on with: pgeist resume "
                    "JOB");
    }
    std::string besides;
    if (drawn_ahead_ > 0) {
        std::vector<std::string> names;
        for (const pg::statement& each : target_.sequences) {
            names.push_back(each.label);
        }
        besides = fmt::format(
            "; in {} of the attempts somebody had drawn a number from {} and not touched the table yet: while some "
            "programs draw numbers ahead and others write the table by its default, each kind keeps from pgeist what "
            "the other one leaves it, so let one kind rest for a moment",
            drawn_ahead_, join(names, " or "));
    }
    lock::throw_not_obtained(attempts, blockers_, besides);
}

awaitable<std::optional<report::swap_outcome>> swapper::swap() {
    const auto session = co_await work_->pool.acquire();
    const auto observer_session = co_await work_->pool.acquire();
    lock::policy rules;
    rules.lock_timeout = work_->settings.lock_timeout;
    rules.attempts = work_->settings.swap_attempts;
    rules.max_wait = work_->settings.swap_max_wait;
    co_await lock::fit_to_server(*session, rules);
    co_await warm_up(*session);
    lock::schedule attempts(rules);
    std::optional<report::swap_outcome> done;
    while (!attempts.exhausted() && !waited_long_enough()) {
        attempts.follow(work_->settings.lock_timeout, work_->settings.swap_attempts);
        const lock::attempt how = attempts.next();
        co_await pg::sleep_for(how.pause);
        co_await catch_up();
        const bool ready = co_await wait_for_old_snapshots(*observer_session);
        // Whatever took long before this: the user's last word counts. One that comes later is answered when the
        // attempt is over.
        if (!ready || gate_->holds_swap()) {
            co_return done;
        }
        bool readable = true;
        for (const exchanged& each : tables_) {
            const bool this_one = co_await shorten_log(each, *session, *observer_session, how);
            readable = readable && this_one;
        }
        if (!readable) {
            continue;
        }
        work_->progress.detail = fmt::format("asking for the lock, attempt {}", how.number);
        attempt_result result = attempt_result::blocked;
        co_await find_others(*observer_session);
        co_await choose_order(*observer_session);
        if (others_.empty()) {
            result = co_await attempt(*session, how, attempts.exhausted());
        }
        if (result == attempt_result::swapped) {
            done.emplace();
            done->attempts = attempts.made();
            done->lock_held_ms = lock_held_ms_;
            done->lock_held = report::milliseconds(static_cast<std::int64_t>(lock_held_ms_));
            co_return done;
        }
        if (result == attempt_result::held) {
            co_await pg::sleep_for(until_request_is_read);
            co_return done;
        }
        if (result == attempt_result::backlog) {
            drain_ = std::min(4 * drain_, work_->settings.lock_timeout);
            blockers_.clear();
            report_backlog(how.number);
        }
        if (result == attempt_result::failed) {
            count_failure(how.number, attempts.exhausted());
        }
        if (result == attempt_result::blocked) {
            too_much_ = 0;
            co_await report_obstacles(target_, *session, *observer_session, how);
            co_await note_contention(*observer_session, session->backend_pid());
        }
    }
    throw_given_up(attempts.made());
}

}  // namespace pgeist::swap
