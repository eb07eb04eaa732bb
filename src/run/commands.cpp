#include "pgeist/run/commands.hpp"
#include "pgeist/run/options.hpp"

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "pgeist/capture/capture.hpp"
#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/hold.hpp"
#include "pgeist/job/store.hpp"
#include "pgeist/plan/describe.hpp"
#include "pgeist/run/cleanup.hpp"
#include "pgeist/run/preparation.hpp"
#include "pgeist/run/runner.hpp"
#include "verify_job.hpp"

namespace pgeist::run {

namespace {

/// What everything a run opens hangs on.
struct session_set {
    explicit session_set(pg::connect_options how) : options(how), pool(std::move(how), "pgeist") {}
    pg::connect_options options;
    pg::pool pool;
    std::unique_ptr<job::hold> hold;
};

awaitable<void> open_hold(session_set& sessions) {
    auto session = co_await sessions.pool.open_own("pgeist");
    sessions.hold = std::make_unique<job::hold>(std::move(session));
}

std::string state_for(exit_code code) {
    switch (code) {
        case exit_code::cancelled:
            return "interrupted";
        case exit_code::lock_not_obtained:
        case exit_code::connection_lost:
            return "interrupted";
        default:
            return "failed";
    }
}

/// Notes in the job's row why the run ended, as far as the server can be reached.
awaitable<void> note_end(session_set& sessions, std::int64_t job, std::string state, std::string message) {
    try {
        const auto session = co_await sessions.pool.acquire();
        co_await job::save_state(*session, job, state, message);
        co_await job::add_event(*session, job, state, message);
    } catch (const pg::sql_error&) {
        co_return;  // status tells "interrupted" by the absence of a live holder
    }
}

/// Whether the job's swap is committed, whatever the run believes.
awaitable<bool> has_swapped(session_set& sessions, std::int64_t job) {
    const auto session = co_await sessions.pool.acquire();
    const job::record now = co_await job::load(*session, job);
    co_return now.swapped;
}

/// Tells an observer that wants to know what the table is and what it will be.
awaitable<void> describe_table(session_set& sessions, const job::record& record, report::observer& observer) {
    if (!observer.wants_description() || record.swapped) {
        co_return;
    }
    const auto session = co_await sessions.pool.acquire();
    auto source = co_await catalog::read_table(*session, record.blueprint->source_oid);
    const std::vector<std::string> before = catalog::definition_in_swap(std::move(source));
    observer.described(before, record.blueprint->expected);
}

/// Runs a prepared job to its end and records how it ended.
awaitable<void> carry_out(session_set& sessions, const job::record& record, report::observer& observer) {
    co_await describe_table(sessions, record, observer);
    std::exception_ptr failure;
    exit_code code = exit_code::done;
    std::string message;
    bool by_command = false;
    {
        runner work(sessions.pool, sessions.options, *sessions.hold, record, observer);
        try {
            co_await work.run();
        } catch (const error& ended) {
            failure = std::current_exception();
            code = ended.code();
            message = ended.what();
        } catch (const boost::system::system_error&) {
            failure = std::make_exception_ptr(cancelled());
            code = exit_code::cancelled;
            message = cancelled().what();
        }
        by_command = work.cancel_requested();
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (failure && by_command && code == exit_code::cancelled) {
        const bool swapped = co_await has_swapped(sessions, record.id);
        if (swapped) {
            co_await note_end(sessions, record.id, "interrupted", "cancelled after the swap");
            throw error(exit_code::cancelled, "cancelled after the swap: the table has its new definition",
                        fmt::format("finish with: pgeist resume {}", record.id));
        }
        co_await note_end(sessions, record.id, "cancelled", message);
        co_await clean_job(sessions.pool, *sessions.hold, record.id, observer);
        throw error(exit_code::cancelled,
                    fmt::format("job {} was cancelled and cleaned up; the table is as it was", record.id), "");
    }
    if (failure) {
        co_await note_end(sessions, record.id, state_for(code), message);
        std::rethrow_exception(failure);
    }
    co_await note_end(sessions, record.id, "done", "");
}

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
        co_await session->commit();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await session->rollback();
        std::rethrow_exception(failure);
    }
    record = co_await job::load(*session, made.job);
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
        co_await carry_out(sessions, *record, observer);
    }
    co_return exit_code::done;
}

namespace {

/// The job, loaded after its locks are ours: nobody moves it any more.
awaitable<job::record> take_over(session_set& sessions, std::int64_t job) {
    const auto session = co_await sessions.pool.acquire();
    const job::record before = co_await job::load(*session, job);
    const auto job_holder = co_await sessions.hold->take_job(job);
    if (job_holder) {
        job::throw_held(fmt::format("job {}", job), *job_holder);
    }
    const auto table_holder = co_await sessions.hold->take_table(before.table_oid);
    if (table_holder) {
        job::throw_held(fmt::format("table {}", before.table.display()), *table_holder);
    }
    if (before.blueprint && !before.swapped) {
        // Sessions of the interrupted run whose client is gone may still be at work: their transactions end before ours
        // gets this lock, so the checkpoints read afterwards are all there will be.
        co_await session->execute(
            fmt::format("BEGIN; SET LOCAL lock_timeout = '60s'; LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE; COMMIT",
                        before.blueprint->shadow().sql()));
    }
    job::record now = co_await job::load(*session, job);
    co_return now;
}

}  // namespace

awaitable<exit_code> resume(pg::connect_options options, std::int64_t job, named_values changes,
                            report::observer& observer) {
    session_set sessions(std::move(options));
    co_await open_hold(sessions);
    job::record record = co_await take_over(sessions, job);
    if (record.reached == job::phase::done) {
        observer.message(report::level::info, fmt::format("job {} is done already", job));
        co_return exit_code::done;
    }
    if (!record.blueprint) {
        throw error(exit_code::refused, fmt::format("job {} was interrupted before its shadow table was made", job),
                    fmt::format("remove it with: pgeist cleanup {}, and run again", job));
    }
    {
        const auto session = co_await sessions.pool.acquire();
        co_await job::save_state(*session, job, "running", "");
        std::string changed;
        for (const auto& [name, value] : changes) {
            apply_steering(record.settings, name, value);
            changed += (changed.empty() ? "" : ", ") + name + " = " + value;
        }
        co_await session->query("UPDATE pgeist.jobs SET control = '{}', settings = $2::jsonb WHERE id = $1", job,
                                to_json(record.settings));
        co_await job::ensure_state_schema(*session);
        co_await job::add_event(*session, job, "resumed", changed);
    }
    observer.job_started(record.id, record.table.display(), "shadow");
    co_await carry_out(sessions, record, observer);
    co_return exit_code::done;
}

namespace {

/// Compares on behalf of a run that was interrupted, and leaves the job as resumable as it was.
awaitable<void> compare_interrupted(session_set& sessions, std::int64_t job, report::observer& observer) {
    co_await open_hold(sessions);
    const job::record record = co_await take_over(sessions, job);
    require_comparable(record);
    observer.job_started(record.id, record.table.display(), "shadow");
    std::exception_ptr failure;
    std::string state = "interrupted";
    std::string message = "the tables were compared again";
    {
        runner work(sessions.pool, sessions.options, *sessions.hold, record, observer);
        try {
            co_await work.compare();
        } catch (const error& ended) {
            failure = std::current_exception();
            state = state_for(ended.code());
            message = ended.what();
        } catch (const boost::system::system_error&) {
            failure = std::make_exception_ptr(cancelled());
            message = cancelled().what();
        }
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    co_await note_end(sessions, job, state, message);
    if (failure) {
        std::rethrow_exception(failure);
    }
    observer.message(report::level::info,
                     fmt::format("job {0} was compared and is as it was; go on with: pgeist resume {0}", job));
}

}  // namespace

awaitable<exit_code> verify(pg::connect_options options, std::int64_t job, report::observer& observer) {
    session_set sessions(std::move(options));
    bool runs = false;
    {
        const auto session = co_await sessions.pool.acquire();
        static_cast<void>(co_await job::load(*session, job));
        const pg::result row = co_await session->query("SELECT " + job::held_condition("$1::bigint"), job);
        runs = row.boolean(0, 0);
        if (runs) {
            co_await ask_run_to_verify(*session, job, observer);
        }
    }
    if (!runs) {
        co_await compare_interrupted(sessions, job, observer);
    }
    co_return exit_code::done;
}

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
        const pg::result rows = co_await sessions.hold->session().query("SELECT id FROM pgeist.jobs j WHERE NOT " +
                                                                        job::held_condition("j.id") + " ORDER BY id");
        for (int row = 0; row < rows.rows(); ++row) {
            jobs.push_back(rows.integer(row, 0));
        }
    }
    for (const std::int64_t each : jobs) {
        co_await clean_job(sessions.pool, *sessions.hold, each, observer);
    }
    co_await clean_state(sessions.pool);
    co_return exit_code::done;
}

namespace {

/// Every statement that the run would make, in order.
std::string sql_of(const preparation& made) {
    std::string text = "SQL\n  -- prepare\n";
    for (const plan::statement& each : made.statements) {
        text += "  " + each.sql + ";\n";
    }
    const auto indented = [](const std::string& script) {
        std::string out;
        for (std::size_t at = 0; at < script.size();) {
            const std::size_t end = std::min(script.find('\n', at), script.size() - 1);
            out += (script[at] == '\n' ? "" : "  ") + script.substr(at, end - at + 1);
            at = end + 1;
        }
        return out;
    };
    text += indented(capture::log_sql(*made.blueprint)) + "  -- capture\n" +
            indented(capture::triggers_sql(*made.blueprint));
    return text + plan::describe_sql(*made.blueprint);
}

}  // namespace

awaitable<plan_result> make_plan(pg::connect_options options, plan::change_request change, settings chosen) {
    pg::pool pool(std::move(options), "pgeist plan");
    const auto session = co_await pool.acquire();
    preparation made;
    std::exception_ptr failure;
    try {
        co_await session->begin();
        co_await session->execute("SET LOCAL lock_timeout = '5s'");
        made = co_await prepare(*session, nullptr, change, chosen);
    } catch (...) {
        failure = std::current_exception();
    }
    co_await session->rollback();
    if (failure) {
        std::rethrow_exception(failure);
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
    std::string text = plan::describe(what);
    std::string json = plan::describe_json(what);
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
