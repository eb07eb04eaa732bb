#include "pgeist/supervise/heartbeat.hpp"

#include <cmath>
#include <optional>
#include <utility>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/report/rate_meter.hpp"
#include "pgeist/supervise/run_eta.hpp"
#include "pgeist/task/progress.hpp"

namespace pgeist::supervise {

namespace {

using clock = std::chrono::steady_clock;

constexpr auto tick = std::chrono::milliseconds(100);
constexpr auto between_beats = std::chrono::milliseconds(500);
constexpr auto between_names = std::chrono::milliseconds(1000);
constexpr auto between_notes_of_wal = std::chrono::seconds(5);
constexpr auto longest_identify = std::chrono::seconds(30);

/// --critical-load: what is dangerous for the server ends the run; what it has done is kept.
void check_critical(std::int64_t job, const throttle::gate& gate) {
    if (const auto why = gate.reason_to_give_up()) {
        throw error(exit_code::failed, *why,
                    fmt::format("the source table is untouched; go on at a quieter time with: pgeist resume {0}, or "
                                "remove the job with: pgeist cleanup {0}",
                                job));
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
    if (now.server) {
        figures["percent"] = std::round(now.server->percent * 100) / 100;
        figures["server_phase"] = now.server->phase;
        if (now.server->eta_seconds) {
            figures["eta_seconds"] = std::round(*now.server->eta_seconds * 10) / 10;
        }
    }
    if (now.run_eta_seconds) {
        figures["run_eta_seconds"] = std::round(*now.run_eta_seconds);
    }
    figures["doing"] = now.detail;
    figures["blocked_by"] = now.blocked_by;
    return boost::json::serialize(figures);
}

std::string state_of(const vital_signs& of) {
    if (auto resting = of.work.resting_state(*of.phase)) {
        return std::move(*resting);
    }
    if (of.switches.paused()) {
        return "paused";
    }
    if (of.switches.waiting_for_swap()) {
        return "waiting_for_swap";
    }
    return of.progress.throttled ? "throttled" : "running";
}

/// `pgeist job 3: copy 41%`, for those who look at pg_stat_activity.
std::string application_name(std::int64_t job, const std::string& phase, const report::progress& now) {
    std::string name = fmt::format("pgeist job {}: {}", job, phase);
    const auto by_rows = report::percent_of(now.rows_done, now.rows_total);
    if (const auto percent = now.server ? now.server->percent : by_rows) {
        name += fmt::format(" {:.0f}%", std::floor(*percent));
    }
    return name;
}

/// What one heartbeat remembers from tick to tick.
struct beating {
    report::rate_meter rate;
    run_eta whole;
    report::phase phase;
    std::string name_shown;
    clock::time_point next_beat = clock::now();
    clock::time_point next_name = clock::now();
    clock::time_point next_note_of_wal = clock::now() + between_notes_of_wal;
    std::optional<std::int64_t> owed;  ///< the request to acknowledge
    bool told_too_late = false;
};

/// Of the whole job, as far as its phase, or the server, tells how long that one takes.
std::optional<double> eta_of_run(const vital_signs& of, beating& now) {
    std::optional<double> left;
    std::optional<double> percent;
    if (of.progress.server) {
        left = of.progress.server->eta_seconds;
        percent = of.progress.server->percent;
    } else if (now.phase.counts_rows()) {
        left = now.rate.eta_seconds(of.progress.rows_total);
        percent = report::percent_of(of.progress.rows_done, of.progress.rows_total);
    }
    const std::optional<double> done = percent ? std::optional<double>(*percent / 100) : std::nullopt;
    const auto at = static_cast<std::size_t>(of.phase - of.kind.phases().data());
    return now.whole.seconds(of.work.expected_seconds(), at, left, done);
}

/// Brings the figures up to date and shows them.
void show(vital_signs& of, beating& now) {
    if (now.phase.name != of.told.phase().name) {
        now.phase = of.told.phase();
        now.rate.reset();
    }
    of.progress.throttled = of.switches.reason_to_wait();
    const auto lag = of.switches.gate().lag();
    of.progress.lag_bytes = lag.bytes;
    of.progress.lag_time = lag.time;
    of.progress.workers = now.phase.in_chunks ? of.switches.workers(of.switches.chosen().workers) : 0;
    now.rate.add(clock::now(), of.progress.rows_done);
    of.progress.run_eta_seconds = eta_of_run(of, now);
    for (const std::string& warning : of.switches.gate().take_warnings()) {
        of.told.message(report::level::warning, warning);
    }
    of.told.progressed(of.progress);
}

awaitable<job::control_request> beat(vital_signs& of, const beating& state) {
    job::heartbeat now = task::heartbeat_of(of.progress, state_of(of));
    std::optional<double> rate;
    if (state.phase.counts_rows()) {
        rate = state.rate.rows_per_second();
    }
    now.figures = figures_of(of.progress, rate);
    auto request = co_await job::beat(of.hold.session(), of.mine, std::move(now));
    co_return request;
}

/// Obeys, and acknowledges when the job's row shows it.
awaitable<void> obey(vital_signs& of, beating& state, job::control_request request) {
    const auto number = of.switches.asked(std::move(request), of.told);
    if (number) {
        state.owed = number;
        show(of, state);
    }
    if (of.switches.effect_under_way()) {
        co_return;  // a few hundred milliseconds: then it is certain which came first
    }
    if (of.switches.cancel_requested()) {
        throw cancelled();
    }
    if (of.switches.cancel_came_too_late() && !std::exchange(state.told_too_late, true)) {
        of.told.message(report::level::warning, "asked to cancel after the swap: the run only finishes now");
    }
    if (state.owed) {
        [[maybe_unused]] const job::control_request latest = co_await beat(of, state);
        co_await job::acknowledge(of.hold.session(), of.mine, *state.owed, of.switches.chosen());
        state.owed.reset();
    }
}

}  // namespace

awaitable<void> last_beat(vital_signs& of) {
    const beating state;
    try {
        [[maybe_unused]] const job::control_request latest = co_await beat(of, state);
    } catch (const error&) {
        co_return;  // only figures; who needs the session, or the job, finds out what has become of it
    }
}

awaitable<void> store_events(vital_signs& of) { return task::store_events(of.hold.session(), of.mine.job, of.told); }

namespace {

/// Somebody has ended the statement that he saw, or holds the job's row, or the server is slow: the next one will do.
bool is_passing(const pg::sql_error& failure) { return !failure.poisons_connection() && failure.passing(); }

/// A hint: what cannot be seen changes nothing. Under the swap's lock, and where the user has chosen all there is to be
/// chosen, nobody asks for it.
awaitable<void> look_for_others(job::advisory_locks& hold, switchboard& switches) {
    const run::settings& chosen = switches.chosen();
    if (switches.effect_under_way() || (chosen.workers_chosen && chosen.index_jobs_chosen)) {
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
awaitable<void> tick_once(vital_signs& of, beating& state) {
    pg::connection& session = of.hold.session();
    const auto now = clock::now();
    if (now >= state.next_beat) {
        of.switches.govern(of.progress.rows_done, state.phase.in_chunks);
        state.next_beat = now + between_beats;
        auto request = co_await beat(of, state);
        co_await obey(of, state, std::move(request));
        co_await store_events(of);
        co_await look_for_others(of.hold, of.switches);
    } else if (session.was_notified()) {  // a request whose notification is lost is found by the next beat
        auto request = co_await job::read_control(session, of.mine.job);
        co_await obey(of, state, std::move(request));
    }
    std::string name = application_name(of.mine.job, state.phase.name, of.progress);
    if (now >= state.next_name && name != state.name_shown) {
        state.next_name = now + between_names;
        state.name_shown = name;
        co_await session.query("SELECT set_config('application_name', $1, false)", name);
    }
}

/// By the WAL the server is known again after its connection was lost.
awaitable<void> note_progress_of_wal(vital_signs& of, beating& state) {
    if (clock::now() < state.next_note_of_wal) {
        co_return;
    }
    const job::identity now = co_await job::identify(of.hold.session(), of.mine.job, deadline::in(longest_identify));
    of.known.timeline = now.timeline ? now.timeline : of.known.timeline;
    of.known.flushed = now.flushed ? now.flushed : of.known.flushed;
    state.next_note_of_wal = clock::now() + between_notes_of_wal;
}

}  // namespace

awaitable<void> heartbeat(vital_signs& of) {
    co_await of.hold.session().execute(
        "SET lock_timeout = '5s'; SET plan_cache_mode = force_generic_plan; LISTEN pgeist");
    if (of.phase->in_effect) {
        of.switches.effect_is(task::effect::done);
    }
    beating state;
    while (true) {
        show(of, state);
        if (of.phase->stops_at_critical_load) {
            check_critical(of.mine.job, of.switches.gate());
        }
        try {
            co_await tick_once(of, state);
        } catch (const pg::sql_error& failure) {
            if (!is_passing(failure)) {
                throw;
            }
        }
        co_await of.work.watch(of.hold.session(), *of.phase);
        co_await note_progress_of_wal(of, state);
        co_await pg::sleep_for(tick);
    }
}

}  // namespace pgeist::supervise
