#include "pgeist/supervise/carry_out.hpp"

#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/job/identity.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/supervise/cleanup.hpp"
#include "pgeist/supervise/reconnect_policy.hpp"
#include "pgeist/supervise/runner.hpp"
#include "pgeist/supervise/takeover.hpp"

namespace pgeist::supervise {

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
    bool in_effect = false;
    bool effect_told = false;
    bool handed_on = false;  ///< to another job: nothing is to be noted of the end
    const task::phase* where = nullptr;
    std::chrono::milliseconds reconnect_max{0};  ///< as `pgeist set` has left it
};

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

/// The same, with the state that the kind gives to a job that has ended so.
awaitable<void> note_end(session_set& sessions, const task::kind& kind, const job::record& record, exit_code code,
                         std::string message) {
    std::string state = kind.state_when_ended(record, code);
    try {
        const auto session = co_await sessions.pool.acquire();
        const job::record now = co_await job::load(*session, record.id);
        state = kind.state_when_ended(now, code);
    } catch (const error&) {
        co_return;  // not to be reached, or removed meanwhile: there is nothing to note it in
    }
    co_await note_end(sessions, record, std::move(state), std::move(message));
}

/// Whether the job's change is in effect, whatever the run believes.
awaitable<bool> is_in_effect(session_set& sessions, const task::kind& kind, std::int64_t job) {
    const auto session = co_await sessions.pool.acquire();
    const job::record now = co_await job::load(*session, job);
    co_return kind.reached(now).in_effect;
}

/// Every session of the job, this process's or another's, converts values as the one did that made it.
awaitable<void> keep_profile(session_set& sessions, const task::kind& kind, job::record& record,
                             report::observer& observer) {
    pg::session_profile kept = kind.profile_of(*record.plan);
    if (kept.empty()) {
        const auto session = co_await sessions.pool.acquire();
        kept = co_await pg::read_profile(*session);
        record.plan = kind.with_profile(*record.plan, kept);
        const auto save = [&] { return job::change_plan(*session, record.id, *record.plan); };
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

/// Whatever failed when the change was in effect: the user is told that it is.
void note_in_effect(ending& end, const task::kind& kind, std::int64_t job) {
    const std::string& effect = kind.labels().effect;
    const bool told = end.message.find(effect) != std::string::npos;
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
    end.message = fmt::format("{}, but what was left to do failed: {}", effect, end.message);
    end.failure = std::make_exception_ptr(error(end.code, end.message, hint));
}

std::string and_meanwhile(const task::kind& kind) {
    const std::string& goes_on = kind.labels().meanwhile;
    return goes_on.empty() ? std::string() : ", and " + goes_on;
}

/// What the server has too little of (SQLSTATE class 53: disk, memory, temporary files, connections) is no fault of the
/// job's, whose hint would be to remove it.
std::exception_ptr too_little(const pg::sql_error& what, const task::kind& kind, std::int64_t job, bool in_effect) {
    const std::string first = what.hint().empty() ? std::string() : what.hint() + " ";
    std::string next = fmt::format(
        "What is done so far is kept{1}: when there is enough again go on with: pgeist resume {0}, or undo it with: "
        "pgeist cleanup {0}",
        job, and_meanwhile(kind));
    if (in_effect) {
        next = fmt::format("The table is in use: when there is enough again finish with: pgeist resume {}", job);
    }
    return std::make_exception_ptr(error(what.code(), what.what(), first + next));
}

enum class aim { change, compare };

awaitable<void> run_once(session_set& sessions, const task::kind& kind, const job::record& record, job::identity& known,
                         aim what, report::observer& observer, ending& end) {
    runner work(sessions.pool, sessions.options, *sessions.hold, kind, record, known, observer);
    try {
        if (what == aim::compare) {
            co_await work.compare();
        } else {
            co_await work.run();
        }
    } catch (const task::handed_on& ended) {
        end.failure = std::current_exception();
        end.code = ended.code();
        end.handed_on = true;
    } catch (const pg::sql_error& ended) {
        end.failure = std::current_exception();
        if (ended.in_class("53")) {
            end.failure = too_little(ended, kind, record.id, work.in_effect());
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
    end.in_effect = work.in_effect();
    end.effect_told = work.has_told_effect();
    end.where = &work.reached();
    end.reconnect_max = work.chosen().reconnect_max;
    if (end.failure && end.in_effect) {
        note_in_effect(end, kind, record.id);
    }
}

/// One attempt to go on: nullopt, with `problem` said, when it may be tried again.
awaitable<std::optional<job::record>> try_again(session_set& sessions, const task::kind& kind,
                                                const job::record& before, const job::identity& known,
                                                std::string& problem) {
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
        again = co_await take_over(sessions, kind, before.id);
    } catch (const pg::sql_error& failure) {
        if (failure.code() != exit_code::connection_lost && !failure.retryable()) {
            throw;
        }
        problem = failure.what();
    }
    co_return again;
}

[[noreturn]] void throw_lost_for_good(const task::kind& kind, const job::record& record, const std::string& why,
                                      const std::string& problem) {
    const std::string now = kind.reached(record).in_effect ? kind.labels().effect + " and is in use"
                                                           : kind.labels().untouched + and_meanwhile(kind);
    throw error(exit_code::connection_lost, fmt::format("{}: {}", why, problem),
                fmt::format("{}; when the server is reliable again: pgeist resume {}", now, record.id));
}

/// Waits until the job can go on. @throws error (connection_lost) when it cannot
awaitable<job::record> reconnect(session_set& sessions, const task::kind& kind, job::record before,
                                 const job::identity& known, const reconnect_policy& patience, std::string problem,
                                 report::observer& observer) {
    sessions.pool.name_sessions("pgeist");
    sessions.pool.admit_only("");
    const auto began = clock::now();
    auto next_report = began;
    for (int attempt = 1;; ++attempt) {
        if (clock::now() >= patience.until()) {
            throw_lost_for_good(
                kind, before,
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
        auto again = co_await try_again(sessions, kind, before, known, problem);
        if (again) {
            const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(clock::now() - began);
            observer.message(report::level::info, "connected again after " + format_duration(took));
            co_return std::move(*again);
        }
    }
}

/// `pgeist cancel`: undoes the job, unless its change is in effect.
awaitable<void> undo(session_set& sessions, const task::kind& kind, const job::record& record, std::string message,
                     report::observer& observer) {
    const bool in_effect = co_await is_in_effect(sessions, kind, record.id);
    if (in_effect) {
        co_await note_end(sessions, record, "interrupted", "cancelled after the swap");
        throw error(exit_code::cancelled, "cancelled after the swap: " + kind.labels().effect,
                    fmt::format("finish with: pgeist resume {}", record.id));
    }
    co_await note_end(sessions, record, "cancelled", message);
    co_await clean_job(sessions.pool, *sessions.hold, kind, record.id, observer);
    throw error(exit_code::cancelled,
                fmt::format("job {} was cancelled and cleaned up; {}", record.id, kind.labels().undone),
                "there is nothing to resume: run it again when it is wanted");
}

}  // namespace

awaitable<void> carry_out(session_set& sessions, const task::kind& kind, job::record record,
                          report::observer& observer) {
    reconnect_policy patience(record.settings.reconnect_max);
    bool effect_told = kind.reached(record).in_effect;
    job::identity known;
    known.token = record.token;
    known.incarnation = record.incarnation;
    sessions.pool.use_profile(kind.profile_of(*record.plan));
    try {
        co_await keep_profile(sessions, kind, record, observer);
        known = co_await job::identify(sessions.hold->session(), record.id, deadline::in(identify_timeout));
        const std::string server = sessions.hold->session().describe();
        co_await kind.introduce(sessions.pool, record, observer, server);
        if (effect_told) {
            co_await kind.tell_effect(sessions.pool, record, observer);
        }
    } catch (const pg::sql_error& problem) {
        if (problem.code() != exit_code::connection_lost) {
            throw;
        }  // lost already: the run notices at once, and tries again
    }
    ending end;
    while (true) {
        const auto began = clock::now();
        ending latest;
        co_await run_once(sessions, kind, record, known, aim::change, observer, latest);
        end = std::move(latest);
        effect_told = effect_told || end.effect_told;
        if (end.code != exit_code::connection_lost) {
            break;
        }
        record.settings.reconnect_max = end.reconnect_max;
        if (end.in_effect) {
            record.phase = kind.first_in_effect().name;
        }
        patience.longest(end.reconnect_max);
        patience.lost(began, clock::now(), *end.where);
        if (patience.hopeless()) {
            throw_lost_for_good(kind, record,
                                fmt::format("the connection was lost {} times in a row while phase {} was at work",
                                            patience.in_a_row(), end.where->told.name),
                                end.message);
        }
        record = co_await reconnect(sessions, kind, std::move(record), known, patience, end.message, observer);
        known.incarnation = record.incarnation;
        if (kind.reached(record).in_effect && !effect_told) {
            co_await kind.tell_effect(sessions.pool, record, observer);
            effect_told = true;
        }
    }
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    if (end.failure && end.by_command && end.code == exit_code::cancelled && kind.is_undone_by_cancel()) {
        co_await undo(sessions, kind, record, end.message, observer);
    }
    if (end.failure) {
        if (!end.handed_on) {
            co_await note_end(sessions, kind, record, end.code, end.message);
        }
        std::rethrow_exception(end.failure);
    }
    co_await note_end(sessions, kind, record, exit_code::done, "");
}

awaitable<void> compare_again(session_set& sessions, const task::kind& kind, job::record record,
                              report::observer& observer) {
    co_await keep_profile(sessions, kind, record, observer);
    job::identity known = co_await job::identify(sessions.hold->session(), record.id, deadline::in(identify_timeout));
    ending end;
    end.message = "the tables were compared again";
    co_await run_once(sessions, kind, record, known, aim::compare, observer, end);
    co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
    const exit_code code = end.failure ? end.code : exit_code::cancelled;  // it has not come to its end
    co_await note_end(sessions, kind, record, code, end.message);
    if (end.failure) {
        std::rethrow_exception(end.failure);
    }
}

}  // namespace pgeist::supervise
