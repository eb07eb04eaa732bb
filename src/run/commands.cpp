#include "pgeist/run/commands.hpp"
#include "pgeist/settings/options.hpp"

#include <fmt/format.h>

#include "carry_out.hpp"
#include "pgeist/check/server_repack.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/plan/describe.hpp"
#include "pgeist/report/text.hpp"
#include "pgeist/run/cleanup.hpp"
#include "pgeist/run/disconnected_runs.hpp"
#include "pgeist/run/preparation.hpp"
#include "pgeist/transfer/capture/capture.hpp"
#include "session_set.hpp"
#include "takeover.hpp"
#include "verify_job.hpp"

namespace pgeist::run {

namespace {

void tell(const std::vector<check::finding>& findings, const std::vector<std::string>& warnings,
          report::observer& observer) {
    for (const check::finding& each : findings) {
        if (each.severity == check::severity::warn) {
            observer.message(report::level::warning,
                             each.hint.empty() ? each.message : each.message + "; " + each.hint);
        }
    }
    for (const std::string& each : warnings) {
        observer.message(report::level::warning, each);
    }
}

/// The shadow, made and committed; nullopt when the table has the change already.
awaitable<std::optional<job::record>> make_job(session_set& sessions, plan::change_request change, settings chosen,
                                               report::observer& observer) {
    const auto session = co_await sessions.pool.acquire();
    std::exception_ptr failure;
    preparation made;
    std::optional<job::record> record;
    birth when;
    bool committed = false;
    bool in_doubt = false;
    bool not_readable = false;
    // In a transaction of its own: its lock would be in the way of the session that holds the job's.
    co_await job::bring_state_up_to_date(*session);
    try {
        co_await session->begin();
        co_await session->execute("SET LOCAL lock_timeout = '5s'");
        made = co_await prepare(*session, sessions.hold.get(), change, chosen);
        throw_if_refused(made.findings);
        if (made.nothing_to_do) {
            co_await session->rollback();
            observer.message(report::level::info, "nothing to do: " + *made.nothing_to_do);
            co_return record;
        }
        when = co_await note_birth(sessions, *session, made.job);
        co_await session->commit();
        committed = true;
        record = co_await job::load(*session, made.job);
    } catch (const pg::sql_error& problem) {
        in_doubt = problem.outcome_unknown() || (committed && problem.poisons_connection());
        not_readable = !committed && problem.is(pg::sqlstate::lock_not_available);
        failure = std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }
    if (in_doubt) {
        record = co_await find_born(sessions, when, chosen.reconnect_max);
    } else if (failure) {
        co_await session->rollback();
        if (not_readable) {
            co_await throw_not_readable(*session, change.table);
        }
        std::rethrow_exception(failure);
    }
    observer.job_started(record->id, record->table.display(), "shadow");
    observer.phase_started(std::string(job::display_name(job::phase::prepare)),
                           std::string(job::lock_of(job::phase::prepare)));
    tell(made.findings, made.warnings, observer);
    co_return record;
}

}  // namespace

awaitable<exit_code> start(pg::connect_options options, plan::change_request change, settings chosen,
                           report::observer& observer) {
    session_set sessions(std::move(options));
    co_await open_hold(sessions);
    auto record = co_await make_job(sessions, std::move(change), std::move(chosen), observer);
    if (record) {
        sessions.pool.name_sessions(job::session_name(record->id));
        co_await carry_out(sessions, std::move(*record), observer);
    }
    co_return exit_code::done;
}

awaitable<exit_code> resume(pg::connect_options options, std::int64_t job, named_values changes,
                            report::observer& observer) {
    session_set sessions(std::move(options));
    co_await open_hold(sessions);
    job::record record = co_await take_over(sessions, job, job::requests::forget);
    if (record.reached == job::phase::done) {
        if (record.state != "done") {  // the run ended before it could say so
            const auto session = co_await sessions.pool.acquire();
            const job::tenure mine{job, record.incarnation};
            co_await job::save_state(*session, mine, "done", "");
        }
        observer.message(report::level::info, fmt::format("job {} is done already", job));
        co_return exit_code::done;
    }
    if (!record.blueprint) {
        throw error(exit_code::refused, fmt::format("job {} was interrupted before its shadow table was made", job),
                    fmt::format("remove it with: pgeist cleanup {}, and run again", job));
    }
    {
        const auto session = co_await sessions.pool.acquire();
        const job::tenure mine{job, record.incarnation};
        std::string changed;
        for (const auto& [name, value] : changes) {
            apply_option(record.settings, name, value);
            changed += (changed.empty() ? "" : ", ") + name + " = " + value;
        }
        co_await require_sendable(*session, to_json(record.settings));
        co_await job::save_state(*session, mine, "running", "");
        co_await job::save_settings(*session, mine, record.settings);
        co_await job::add_event(*session, job, "resumed", changed);
    }
    observer.job_started(record.id, record.table.display(), "shadow");
    co_await carry_out(sessions, std::move(record), observer);
    co_return exit_code::done;
}

namespace {

awaitable<void> look_for_run(pg::connection& session, std::int64_t job, bool& runs) {
    static_cast<void>(co_await job::load(session, job));
    const pg::result row = co_await session.query("SELECT " + job::held_condition("$1::bigint"), job);
    runs = row.boolean(0, 0);
}

}  // namespace

awaitable<exit_code> verify(pg::connect_options options, std::int64_t job, report::observer& observer) {
    session_set sessions(std::move(options));
    bool runs = false;
    {
        const auto session = co_await sessions.pool.acquire();
        co_await job::bring_state_up_to_date(*session);
        const auto looking = [&] { return look_for_run(*session, job, runs); };
        co_await job::guarded(*session, looking);
        if (runs) {
            co_await ask_run_to_verify(*session, job, observer);
        }
    }
    if (!runs) {
        co_await open_hold(sessions);
        job::record record = co_await take_over(sessions, job);
        require_comparable(record);
        observer.job_started(record.id, record.table.display(), "shadow");
        co_await compare_again(sessions, std::move(record), observer);
        observer.message(report::level::info,
                         fmt::format("job {0} was compared and is as it was; go on with: pgeist resume {0}", job));
    }
    co_return exit_code::done;
}

namespace {

/// The jobs that nobody works on. One whose run may come back is told of and left out.
awaitable<void> find_abandoned(pg::connection& session, report::observer& observer, std::vector<std::int64_t>& jobs) {
    // First those that may come back: one that does so in between is held when the others are looked for.
    const std::vector<disconnected_run> absent = co_await find_disconnected(session, std::nullopt);
    const pg::result rows = co_await session.query("SELECT id FROM pgeist.jobs j WHERE NOT " +
                                                   job::held_condition("j.id") + " ORDER BY id");
    for (int row = 0; row < rows.rows(); ++row) {
        jobs.push_back(rows.integer(row, 0));
    }
    for (const disconnected_run& each : absent) {
        const auto left = std::erase(jobs, each.job);
        if (left > 0) {
            observer.message(
                report::level::warning,
                fmt::format(
                    "job {0} is left as it is: its run was last heard of {1} ago and may be reconnecting for up "
                    "to {2}; if it is gone for good: pgeist cleanup {0}",
                    each.job, format_duration(each.silent), format_duration(each.patience)));
        }
    }
}

/// One job after the other. Where what is left to do may not be executed, the others are cleaned up all the same.
awaitable<void> clean_all(session_set& sessions, const std::vector<std::int64_t>& jobs, report::observer& observer) {
    std::optional<error> refused;
    for (const std::int64_t each : jobs) {
        try {
            co_await clean_job(sessions.pool, *sessions.hold, each, observer);
        } catch (const not_finished& problem) {
            refused = problem;
        }
    }
    if (refused) {
        throw error(*refused);
    }
}

}  // namespace

awaitable<exit_code> cleanup(pg::connect_options options, std::optional<std::int64_t> job, report::observer& observer) {
    session_set sessions(std::move(options));
    co_await open_hold(sessions);
    const bool present = co_await job::has_state_schema(sessions.hold->session());
    if (!present) {
        if (job) {
            throw error(exit_code::refused, fmt::format("there is no job {} in this database", *job), "");
        }
        observer.message(report::level::info, "nothing to clean up");
        co_return exit_code::done;
    }
    std::vector<std::int64_t> jobs;
    if (job) {
        jobs.push_back(*job);
    } else {
        const auto finding = [&] { return find_abandoned(sessions.hold->session(), observer, jobs); };
        co_await job::guarded(sessions.hold->session(), finding);
    }
    co_await clean_all(sessions, jobs, observer);
    co_await clean_state(sessions.pool);
    co_return exit_code::done;
}

namespace {

/// Every statement that the run would make, in order.
std::string sql_of(const preparation& made) {
    std::string text = "SQL\n";
    const auto indented = [](const std::string& script) {
        std::string out;
        for (std::size_t at = 0; at < script.size();) {
            const std::size_t end = std::min(script.find('\n', at), script.size() - 1);
            out += (script[at] == '\n' ? "" : "  ") + script.substr(at, end - at + 1);
            at = end + 1;
        }
        return out;
    };
    text += "  -- in each session of the job\n" + indented(made.blueprint->profile.display()) + "  -- prepare\n";
    for (const plan::statement& each : made.statements) {
        text += "  " + each.sql + ";\n";
    }
    const transfer::spec rows = made.blueprint->transfer();
    text += indented(capture::log_sql(rows)) + "  -- capture\n" + indented(capture::triggers_sql(rows));
    return text + plan::describe_sql(*made.blueprint);
}

}  // namespace

namespace {

awaitable<void> try_to_prepare(pg::connection& session, const plan::change_request& change, const settings& chosen,
                               preparation& made) {
    co_await session.execute("SET LOCAL lock_timeout = '5s'");
    made = co_await prepare(session, nullptr, change, chosen);
}

}  // namespace

awaitable<plan_result> make_plan(pg::connect_options options, plan::change_request change, settings chosen) {
    pg::pool pool(std::move(options), "pgeist plan");
    const auto session = co_await pool.acquire();
    preparation made;
    const auto trial = [&] { return try_to_prepare(*session, change, chosen, made); };
    bool not_readable = false;
    try {
        co_await pg::rolled_back(*session, trial);
    } catch (const pg::sql_error& problem) {
        not_readable = problem.is(pg::sqlstate::lock_not_available);
        if (!not_readable) {
            throw;
        }
    }
    if (not_readable) {
        co_await throw_not_readable(*session, change.table);
    }
    plan::description what;
    what.change = &change;
    what.blueprint = made.blueprint ? &*made.blueprint : nullptr;
    for (const check::finding& each : made.findings) {
        plan::remark remark;
        remark.refuses = each.severity == check::severity::refuse;
        remark.text = each.message;
        remark.hint = each.hint;
        what.remarks.push_back(std::move(remark));
    }
    for (const std::string& each : made.warnings) {
        plan::remark remark;
        remark.text = each;
        what.remarks.push_back(std::move(remark));
    }
    if (made.nothing_to_do) {
        plan::remark remark;
        remark.text = "nothing to do: " + *made.nothing_to_do;
        what.remarks.push_back(std::move(remark));
    }
    std::optional<plan::server_repack> server;
    if (change.repack && change.sets.empty() && change.alters.empty() && made.blueprint) {
        server = co_await check::consider_server_repack(*session, made.blueprint->source_oid);
    }
    what.server = server ? &*server : nullptr;
    std::string text = plan::describe(what);
    std::string json = report::harmless(plan::describe_json(what));  // names need not be UTF-8
    std::string sql;
    if (made.blueprint) {
        sql = sql_of(made);
    }
    exit_code code = exit_code::done;
    if (check::refuses(made.findings)) {
        code = exit_code::refused;
    }
    plan_result result(code, std::move(text), std::move(sql), std::move(json));
    co_return result;
}

}  // namespace pgeist::run
