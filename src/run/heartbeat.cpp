#include "pgeist/run/heartbeat.hpp"

#include <cmath>
#include <optional>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/report/phase_unit.hpp"
#include "pgeist/report/rate_meter.hpp"
#include "pgeist/run/source_watch.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::run {

namespace {

using clock = std::chrono::steady_clock;

constexpr auto tick = std::chrono::milliseconds(100);
constexpr auto between_beats = std::chrono::milliseconds(500);
constexpr auto between_names = std::chrono::milliseconds(1000);

/// --max-log-size: stops before a log that replay cannot keep up with fills the disk. After the swap nobody writes to
/// it.
awaitable<void> check_log_size(build::workspace& work, const switchboard& switches, pg::connection& session) {
    if (!work.settings.max_log_size || !switches.swap_is_to_come()) {
        co_return;
    }
    const std::int64_t bytes = co_await capture::log_bytes(session, work.transfer);
    const bool too_large = bytes > work.settings.max_log_size.value_or(bytes);  // `pgeist set` may have taken it away
    if (too_large && switches.swap_is_to_come()) {  // still: an attempt may have begun meanwhile
        throw error(
            exit_code::failed,
            fmt::format("the change log has grown to {}, more than --max-log-size allows ({})", format_size(bytes),
                        format_size(*work.settings.max_log_size)),
            fmt::format("the source table is untouched; capture goes on: resume in a quieter time (pgeist resume {0}) "
                        "or remove the job (pgeist cleanup {0})",
                        work.job));
    }
}

/// --critical-load: what is dangerous for the server ends the run; what it has done is kept.
void check_critical(const build::workspace& work, const throttle::gate& gate) {
    if (const auto why = gate.reason_to_give_up()) {
        throw error(exit_code::failed, *why,
                    fmt::format("the source table is untouched; go on at a quieter time with: pgeist resume {0}, or "
                                "remove the job with: pgeist cleanup {0}",
                                work.job));
    }
}

/// What displays show besides the counters.
std::string figures_of(const report::progress& now, std::optional<double> rate) {
    boost::json::object figures;
    if (rate) {
        figures["rows_per_second"] = std::round(*rate);
    }
    if (now.workers > 0) {
        figures["workers"] = now.workers;
    }
    if (now.chunk_rows > 0) {
        figures["chunk_rows"] = now.chunk_rows;
        figures["chunk_ms"] = now.chunk_time.count();
    }
    if (now.lag_bytes) {
        figures["lag_bytes"] = *now.lag_bytes;
    }
    if (now.lag_time) {
        figures["lag_ms"] = now.lag_time->count();
    }
    figures["doing"] = now.detail;
    figures["blocked_by"] = now.blocked_by;
    return boost::json::serialize(figures);
}

std::string state_of(const build::workspace& work, const switchboard& switches) {
    if (switches.paused()) {
        return "paused";
    }
    if (switches.waiting_for_swap()) {
        return "waiting_for_swap";
    }
    return work.progress.throttled ? "throttled" : "running";
}

/// `pgeist job 3: copy 41%`, for those who look at pg_stat_activity.
std::string application_name(std::int64_t job, const std::string& phase, const report::progress& now) {
    std::string name = fmt::format("pgeist job {}: {}", job, phase);
    if (const auto percent = report::percent_of(now.rows_done, now.rows_total)) {
        name += fmt::format(" {:.0f}%", std::floor(*percent));
    }
    return name;
}

/// What one heartbeat remembers from tick to tick.
struct beating {
    report::rate_meter rate;
    std::string phase;
    std::string name_shown;
    clock::time_point next_beat = clock::now();
    clock::time_point next_name = clock::now();
    std::optional<std::int64_t> owed;  ///< the request to acknowledge
    bool told_too_late = false;
};

/// Brings the figures up to date and shows them.
void show(build::workspace& work, switchboard& switches, event_recorder& told, beating& now) {
    if (now.phase != told.phase()) {
        now.phase = told.phase();
        now.rate.reset();
    }
    work.progress.throttled = switches.gate().reason();
    const auto lag = switches.gate().lag();
    work.progress.lag_bytes = lag.bytes;
    work.progress.lag_time = lag.time;
    work.progress.workers = report::works_in_chunks(now.phase) ? switches.workers(work.settings.workers) : 0;
    now.rate.add(clock::now(), work.progress.rows_done);
    for (const std::string& warning : switches.gate().take_warnings()) {
        work.observer.message(report::level::warning, warning);
    }
    work.observer.progressed(work.progress);
}

awaitable<job::control_request> beat(build::workspace& work, job::advisory_locks& hold, const switchboard& switches,
                                     const beating& state) {
    job::heartbeat now;
    now.rows_done = work.progress.rows_done;
    now.rows_total = work.progress.rows_total;
    now.log_pending = work.progress.log_pending;
    now.throttled = work.progress.throttled;
    now.state = state_of(work, switches);
    std::optional<double> rate;
    if (report::counts_rows(state.phase)) {
        rate = state.rate.rows_per_second();
    }
    now.figures = figures_of(work.progress, rate);
    co_await check_log_size(work, switches, hold.session());
    auto request = co_await job::beat(hold.session(), work.tenure(), std::move(now));
    co_return request;
}

/// Obeys, and acknowledges when the job's row shows it.
awaitable<void> obey(build::workspace& work, job::advisory_locks& hold, switchboard& switches, event_recorder& told,
                     beating& state, job::control_request request) {
    const auto number = switches.asked(std::move(request), work.observer);
    if (number) {
        state.owed = number;
        show(work, switches, told, state);
    }
    if (switches.swap_under_way()) {
        co_return;  // a few hundred milliseconds: then it is certain which came first
    }
    if (switches.cancel_requested()) {
        throw cancelled();
    }
    if (switches.cancel_came_too_late() && !std::exchange(state.told_too_late, true)) {
        work.observer.message(report::level::warning, "asked to cancel after the swap: the run only finishes now");
    }
    if (state.owed) {
        [[maybe_unused]] const job::control_request latest = co_await beat(work, hold, switches, state);
        co_await job::acknowledge(hold.session(), work.tenure(), *state.owed, switches.chosen());
        state.owed.reset();
    }
}

}  // namespace

awaitable<void> store_events(build::workspace& work, job::advisory_locks& hold, event_recorder& told) {
    auto events = told.take_events();
    try {
        while (!events.empty()) {
            co_await job::add_event(hold.session(), work.job, events.front().first, events.front().second);
            events.pop_front();
        }
    } catch (const pg::sql_error&) {
        told.give_back(std::move(events));  // whoever needs the session finds out, and says so
    }
}

namespace {

/// Somebody has ended the statement that he saw, or holds the job's row, or the server is slow: the next one will do.
bool is_passing(const pg::sql_error& failure) { return !failure.poisons_connection() && failure.passing(); }

/// A hint: what cannot be seen changes nothing. Under the swap's lock, and where the user has chosen all there is to be
/// chosen, nobody asks for it.
awaitable<void> look_for_others(job::advisory_locks& hold, switchboard& switches) {
    const settings& chosen = switches.chosen();
    if (switches.swap_under_way() || (chosen.workers_chosen && chosen.index_jobs_chosen)) {
        co_return;
    }
    std::optional<int> at_work;
    try {
        at_work = co_await throttle::sessions_at_work(hold.session());
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection()) {
            throw;
        }
    }
    if (at_work) {
        switches.others().seen(clock::now(), *at_work);
    } else {
        switches.others().forget();
    }
}

/// Does what is due.
awaitable<void> tick_once(build::workspace& work, job::advisory_locks& hold, switchboard& switches,
                          event_recorder& told, beating& state) {
    const auto now = clock::now();
    if (now >= state.next_beat) {
        switches.govern(work.progress.rows_done, report::works_in_chunks(state.phase));
        state.next_beat = now + between_beats;
        auto request = co_await beat(work, hold, switches, state);
        co_await obey(work, hold, switches, told, state, std::move(request));
        co_await store_events(work, hold, told);
        co_await look_for_others(hold, switches);
    } else if (hold.session().was_notified()) {  // a request whose notification is lost is found by the next beat
        auto request = co_await job::read_control(hold.session(), work.job);
        co_await obey(work, hold, switches, told, state, std::move(request));
    }
    std::string name = application_name(work.job, state.phase, work.progress);
    if (now >= state.next_name && name != state.name_shown) {
        state.next_name = now + between_names;
        state.name_shown = name;
        co_await hold.session().query("SELECT set_config('application_name', $1, false)", name);
    }
}

}  // namespace

awaitable<void> heartbeat(build::workspace& work, job::advisory_locks& hold, switchboard& switches,
                          event_recorder& told, job::identity& known, const job::phase& reached) {
    co_await hold.session().execute("SET lock_timeout = '5s'; SET plan_cache_mode = force_generic_plan; LISTEN pgeist");
    source_watch watch(work, known, reached);
    if (reached >= job::phase::finish) {
        switches.swap_is(swap::state::committed);
    }
    beating state;
    while (true) {
        show(work, switches, told, state);
        if (state.phase != "swap" && state.phase != "finish") {  // nothing is left there that could be a load
            check_critical(work, switches.gate());
        }
        try {
            co_await tick_once(work, hold, switches, told, state);
        } catch (const pg::sql_error& failure) {
            if (!is_passing(failure)) {
                throw;
            }
        }
        co_await watch.look(hold.session());
        co_await pg::sleep_for(tick);
    }
}

}  // namespace pgeist::run
