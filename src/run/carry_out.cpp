#include "carry_out.hpp"

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/run/cleanup.hpp"
#include "pgeist/run/reconnect_policy.hpp"
#include "pgeist/run/runner.hpp"
#include "takeover.hpp"

namespace pgeist::run {

namespace {

using clock = deadline::clock;

constexpr auto identify_timeout = std::chrono::seconds(15);
constexpr auto between_reports = std::chrono::seconds(10);

/// How one stretch of the run, from one connection to its loss, ended.
struct ending {
    std::exception_ptr failure;
    exit_code code = exit_code::done;
    std::string message;
    bool by_command = false;
    bool swapped = false;
    bool swap_told = false;
    job::phase where = job::phase::done;
    std::chrono::milliseconds reconnect_max{0};  ///< as `pgeist set` has left it
};

std::string state_for(exit_code code) {
    switch (code) {
        case exit_code::cancelled:
        case exit_code::lock_not_obtained:
        case exit_code::connection_lost:
            return "interrupted";
        default:
            return "failed";
    }
}

job::tenure tenure_of(const job::record& record) { return {record.id, record.incarnation}; }

/// Notes in the job's row why the run ended, as far as the server can be reached.
awaitable<void> note_end(session_set& sessions, const job::record& record, std::string state, std::string message) {
    try {
        const auto session = co_await sessions.pool.acquire();
        co_await job::save_state(*session, tenure_of(record), state, message);
        co_await job::add_event(*session, record.id, state, message);
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
    if (!observer.wants_description()) {
        co_return;
    }
    report::description what;
    what.server = sessions.hold->session().describe();
    what.change = record.change.describe();
    if (!record.swapped) {
        const auto session = co_await sessions.pool.acquire();
        auto source = co_await catalog::read_table(*session, record.blueprint->source_oid);
        what.before = catalog::definition_in_swap(std::move(source));
        what.after = record.blueprint->expected;
    }
    observer.described(what);
}

/// Every session of the job, this process's or another's, converts values as the one did that made it.
awaitable<void> keep_profile(session_set& sessions, job::record& record, report::observer& observer) {
    pg::session_profile& kept = record.blueprint->profile;
    if (kept.empty()) {
        const auto session = co_await sessions.pool.acquire();
        kept = co_await pg::read_profile(*session);
        const auto save = [&] { return job::save_blueprint(*session, record.id, *record.blueprint); };
        co_await job::in_tenure(*session, tenure_of(record), pg::isolation::read_committed, save);
        observer.message(report::level::warning,
                         fmt::format("job {} was begun by an earlier pgeist, which did not store how values are "
                                     "converted: from now on as TimeZone, DateStyle and the like are set here",
                                     record.id));
    }
    sessions.pool.use_profile(kept);
    co_await sessions.hold->session().adopt(kept, deadline::in(identify_timeout));
}

/// A failure that is not ours to name: a cancelled wait of Asio, or what nobody expected.
void note_foreign(ending& end, const std::exception& problem, bool is_cancellation) {
    if (is_cancellation) {
        end.failure = std::make_exception_ptr(cancelled());
        end.code = exit_code::cancelled;
    } else {
        end.failure = std::make_exception_ptr(error(exit_code::failed, problem.what()));
        end.code = exit_code::failed;
    }
    end.message = is_cancellation ? cancelled().what() : problem.what();
}

/// Tells of a swap that this process made without hearing of it, or that an earlier process made.
awaitable<void> tell_of_swap(session_set& sessions, const job::record& record, report::observer& observer) {
    report::swap_outcome done;
    {
        const auto session = co_await sessions.pool.acquire();
        done.told_before = co_await job::has_event(*session, record.id, "swapped");
        if (!done.told_before) {
            co_await job::add_event(*session, record.id, "swapped", "before the connection was lost, or the run ended");
        }
    }
    if (!record.settings.drop_old) {
        done.old_table = record.blueprint->shadow().display();
    }
    observer.swapped(done);
}

/// Tells of what an earlier run has compared, and this one will not.
awaitable<void> tell_of_comparison(session_set& sessions, const job::record& record, report::observer& observer) {
    if (record.reached <= job::phase::verify || record.settings.verify == verify_mode::off) {
        co_return;
    }
    const auto session = co_await sessions.pool.acquire();
    const auto found = co_await job::last_event(*session, record.id, "verified");
    observer.verified_before(found.value_or("compared"));
}

/// Whatever failed after the swap: the table has its new definition all the same.
void note_after_swap(ending& end, std::int64_t job) {
    constexpr std::string_view said = "has its new definition";
    const bool told = end.message.find(said) != std::string::npos;
    if (told || end.code != exit_code::failed) {
        return;
    }
    std::string hint;
    try {
        std::rethrow_exception(end.failure);
    } catch (const error& problem) {
        hint = problem.hint();
    } catch (const std::exception&) {
        hint.clear();
    }
    if (hint.find("pgeist resume") == std::string::npos) {
        hint += fmt::format("{}finish with: pgeist resume {}", hint.empty() ? "" : "; ", job);
    }
    end.message = fmt::format("the table {}, but what was left to do failed: {}", said, end.message);
    end.failure = std::make_exception_ptr(error(end.code, end.message, hint));
}

/// What the server has too little of (SQLSTATE class 53: disk, memory, temporary files, connections) is no fault of the
/// job's, whose hint would be to remove it.
std::exception_ptr too_little(const pg::sql_error& what, std::int64_t job, bool swapped) {
    const std::string first = what.hint().empty() ? std::string() : what.hint() + " ";
    std::string next = fmt::format(
        "What is done so far is kept, and changes go on being captured: when there is enough again go on with: "
        "pgeist resume {0}, or undo it with: pgeist cleanup {0}",
        job);
    if (swapped) {
        next = fmt::format("The table is in use: when there is enough again finish with: pgeist resume {}", job);
    }
    return std::make_exception_ptr(error(what.code(), what.what(), first + next));
}

enum class task { change, compare };

awaitable<void> run_once(session_set& sessions, const job::record& record, job::identity& known, task what,
                         report::observer& observer, ending& end) {
    runner work(sessions.pool, sessions.options, *sessions.hold, record, known, observer);
    try {
        if (what == task::compare) {
            co_await work.compare();
        } else {
            co_await work.run();
        }
    } catch (const pg::sql_error& ended) {
        end.failure = std::current_exception();
        if (ended.in_class("53")) {
            end.failure = too_little(ended, record.id, work.has_swapped());
        }
        end.code = ended.code();
        end.message = ended.what();
    } catch (const error& ended) {
        end.failure = std::current_exception();
        end.code = ended.code();
        end.message = ended.what();
    } catch (const std::exception& problem) {
        note_foreign(end, problem, pg::is_cancellation(std::current_exception()));
    }
    end.by_command = work.cancel_requested();
    end.swapped = work.has_swapped();
    end.swap_told = work.has_told_swap();
    end.where = work.reached();
    end.reconnect_max = work.chosen().reconnect_max;
    if (end.failure && end.swapped) {
        note_after_swap(end, record.id);
    }
}

/// One attempt to go on: nullopt, with `problem` said, when it may be tried again.
awaitable<std::optional<job::record>> try_again(session_set& sessions, const job::record& before,
                                                const job::identity& known, std::string& problem) {
    std::optional<job::record> again;
    try {
        co_await open_hold(sessions);
        const job::identity now =
            co_await job::identify(sessions.hold->session(), before.id, deadline::in(identify_timeout));
        if (now.in_recovery) {
            problem = "the server is a standby that has not been promoted";
            co_return again;
        }
        if (const auto difference = job::difference(known, now)) {
            sessions.hold.reset();
            throw error(
                exit_code::connection_lost,
                fmt::format("the server that answers now is not the one job {} runs on: {}", before.id, *difference),
                fmt::format("nothing was done there; check where the connection leads, then go on with: "
                            "pgeist resume {}",
                            before.id));
        }
        again = co_await take_over(sessions, before.id);
    } catch (const pg::sql_error& failure) {
        if (failure.code() != exit_code::connection_lost && !failure.retryable()) {
            throw;
        }
        problem = failure.what();
    }
    co_return again;
}

[[noreturn]] void throw_lost_for_good(const job::record& record, const std::string& why, const std::string& problem) {
    const char* now = record.swapped ? "the table has its new definition and is in use"
                                     : "the source table is in use and complete, and changes go on being captured";
    throw error(exit_code::connection_lost, fmt::format("{}: {}", why, problem),
                fmt::format("{}; when the server is reliable again: pgeist resume {}", now, record.id));
}

/// Waits until the job can go on. @throws error (connection_lost) when it cannot
awaitable<job::record> reconnect(session_set& sessions, job::record before, const job::identity& known,
                                 const reconnect_policy& patience, std::string problem, report::observer& observer) {
    sessions.pool.name_sessions("pgeist");
    sessions.pool.admit_only("");
    const auto began = clock::now();
    auto next_report = began;
    for (int attempt = 1;; ++attempt) {
        if (clock::now() >= patience.until()) {
            throw_lost_for_good(
                before,
                fmt::format("the connection was lost and was not to be had again within --reconnect-max ({})",
                            format_duration(before.settings.reconnect_max)),
                problem);
        }
        if (clock::now() >= next_report) {
            observer.message(report::level::warning, "connection lost, trying again: " + problem);
            next_report = clock::now() + between_reports;
        }
        sessions.pool.close_idle();
        co_await pg::sleep_for(reconnect_policy::pause(attempt));
        auto again = co_await try_again(sessions, before, known, problem);
        if (again) {
            const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - began);
            observer.message(report::level::info, "connected again after " + format_duration(took));
            co_return std::move(*again);
        }
    }
}

/// `pgeist cancel`: undoes the job, unless it has swapped.
awaitable<void> undo(session_set& sessions, const job::record& record, std::string message,
                     report::observer& observer) {
    const bool swapped = co_await has_swapped(sessions, record.id);
    if (swapped) {
        co_await note_end(sessions, record, "interrupted", "cancelled after the swap");
        throw error(exit_code::cancelled, "cancelled after the swap: the table has its new definition",
                    fmt::format("finish with: pgeist resume {}", record.id));
    }
    co_await note_end(sessions, record, "cancelled", message);
    co_await clean_job(sessions.pool, *sessions.hold, record.id, observer);
    throw error(exit_code::cancelled,
                fmt::format("job {} was cancelled and cleaned up; the table is as it was", record.id), "");
}

}  // namespace

awaitable<void> carry_out(session_set& sessions, job::record record, report::observer& observer) {
    reconnect_policy patience(record.settings.reconnect_max);
    job::identity known;
    known.token = record.token;
    known.incarnation = record.incarnation;
    sessions.pool.use_profile(record.blueprint->profile);
    try {
        co_await keep_profile(sessions, record, observer);
        known = co_await job::identify(sessions.hold->session(), record.id, deadline::in(identify_timeout));
        co_await describe_table(sessions, record, observer);
        co_await tell_of_comparison(sessions, record, observer);
        if (record.swapped) {
            co_await tell_of_swap(sessions, record, observer);
        }
    } catch (const pg::sql_error& problem) {
        if (problem.code() != exit_code::connection_lost) {
            throw;
        }  // lost already: the run notices at once, and tries again
    }
    ending end;
    bool swap_told = record.swapped;
    while (true) {
        const auto began = clock::now();
        ending latest;
        co_await run_once(sessions, record, known, task::change, observer, latest);
        end = std::move(latest);
        swap_told = swap_told || end.swap_told;
        if (end.code != exit_code::connection_lost) {
            break;
        }
        record.settings.reconnect_max = end.reconnect_max;
        record.swapped = record.swapped || end.swapped;
        patience.longest(end.reconnect_max);
        patience.lost(began, clock::now(), end.where);
        if (patience.hopeless()) {
            throw_lost_for_good(record,
                                fmt::format("the connection was lost {} times in a row while phase {} was at work",
                                            patience.in_a_row(), job::display_name(end.where)),
                                end.message);
        }
        record = co_await reconnect(sessions, std::move(record), known, patience, end.message, observer);
        known.incarnation = record.incarnation;
        if (record.swapped && !swap_told) {
            co_await tell_of_swap(sessions, record, observer);
            swap_told = true;
        }
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (end.failure && end.by_command && end.code == exit_code::cancelled) {
        co_await undo(sessions, record, end.message, observer);
    }
    if (end.failure) {
        co_await note_end(sessions, record, state_for(end.code), end.message);
        std::rethrow_exception(end.failure);
    }
    co_await note_end(sessions, record, "done", "");
}

awaitable<void> compare_again(session_set& sessions, job::record record, report::observer& observer) {
    co_await keep_profile(sessions, record, observer);
    job::identity known = co_await job::identify(sessions.hold->session(), record.id, deadline::in(identify_timeout));
    ending end;
    end.message = "the tables were compared again";
    co_await run_once(sessions, record, known, task::compare, observer, end);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    std::string state = "interrupted";
    if (end.failure) {
        state = state_for(end.code);
    }
    co_await note_end(sessions, record, state, end.message);
    if (end.failure) {
        std::rethrow_exception(end.failure);
    }
}

}  // namespace pgeist::run
