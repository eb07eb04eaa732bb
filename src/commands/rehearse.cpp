#include <fmt/format.h>

#include "file_choice.hpp"
#include "make_copy.hpp"
#include "make_group.hpp"
#include "methods.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/report/replace_file.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/cleanup.hpp"
#include "pgeist/tasks/rehearse/kind.hpp"

namespace pgeist::commands {

namespace {

/// What is run as it is, or by the server, is told as it is planned: nothing is run on the table.
report::rehearsal told_by_plan(std::string table, std::string change, const std::vector<steps::step>& steps) {
    report::rehearsal found;
    found.table = std::move(table);
    found.change = std::move(change);
    found.locks = "none";
    found.method.clear();
    for (const steps::step& each : steps) {
        const std::string word(steps::word_of(each.how));
        found.method += found.method.find(word) == std::string::npos ? (found.method.empty() ? "" : ", ") + word : "";
        found.elapsed_ms += each.estimated_ms.value_or(0);
        found.predicted_lock_ms = std::max(found.predicted_lock_ms, static_cast<double>(each.blocks_ms.value_or(0)));
    }
    return found;
}

/// A rehearsal that has ended otherwise than it should leaves nothing, as far as the server can be reached.
awaitable<void> take_back(supervise::session_set& sessions, const task::kind& kind, std::int64_t job,
                          report::observer& observer) {
    bool there = false;
    {
        const auto session = co_await sessions.pool.acquire();
        const pg::result row = co_await session->query("SELECT EXISTS (SELECT FROM pgeist.jobs WHERE id = $1)", job);
        there = row.boolean(0, 0);
    }
    if (there) {
        co_await supervise::clean_job(sessions.pool, *sessions.hold, kind, job, observer);
        co_await supervise::clean_state(sessions.pool, observer);
    }
}

awaitable<report::rehearsal> rehearse_copy(supervise::session_set& sessions, const task::kind& kind, job::record record,
                                           report::observer& observer) {
    const std::int64_t job = record.id;
    sessions.pool.name_sessions(job::session_name(job));
    std::exception_ptr failure;
    exit_code code = exit_code::done;
    std::string message;
    bool reachable = true;
    try {
        co_await supervise::carry_out(sessions, kind, std::move(record), observer);
    } catch (const error& problem) {
        failure = std::current_exception();
        code = problem.code();
        message = problem.what();
        reachable = problem.code() != exit_code::connection_lost && problem.code() != exit_code::already_running;
    }
    if (failure && reachable) {
        std::string left;
        try {
            co_await take_back(sessions, kind, job, observer);
        } catch (const error& problem) {
            left = problem.what();
        }
        if (left.empty()) {
            throw error(code, message, "nothing of the rehearsal is left, and the table is as it was");
        }
        observer.message(
            report::level::warning,
            fmt::format("what the rehearsal made is still there: {}; remove it with: pgeist cleanup {}", left, job));
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    const auto session = co_await sessions.pool.acquire();
    const auto figures = co_await job::last_event(*session, job, rehearse::figures_event);
    if (!figures) {
        throw error(exit_code::failed, "the figures of the rehearsal are gone", "rehearse it again");
    }
    co_return report::rehearsal_from_json(*figures);
}

void write_markdown(const std::string& file, const report::rehearsal& found, report::observer& observer) {
    if (file.empty()) {
        return;
    }
    const std::string problem = report::replace_file(file, report::markdown(found), report::readers::owner_and_group);
    if (!problem.empty()) {
        observer.message(report::level::warning, fmt::format("{} was not written: {}", file, problem));
    }
}

/// A copy, or a group of them, among other steps.
[[noreturn]] void throw_by_itself(const file_request& file, const steps::step& copy) {
    const bool several = copy.copies.size() > 1;
    throw error(exit_code::refused,
                fmt::format("{}it needs a copy of {}, which {} rehearsed by itself", place_in(file, copy.line),
                            copy.table, several ? "with those of the tables that it is exchanged with is" : "is"),
                several ? "rehearse these changes by a file of their own; the rest is told by its plan"
                        : "rehearse that change with --table and --alter; the rest is told by its plan");
}

exit_code judge(const report::rehearsal& found, const rehearsal_request& what, report::observer& observer) {
    write_markdown(what.markdown, found, observer);
    const std::vector<std::string> passed = passed_limits(found, what.limits);
    if (!passed.empty()) {
        throw error(exit_code::failed, "the rehearsal went well, but: " + join(passed, "; "),
                    "nothing of it is left; choose another way or time, or allow more");
    }
    return exit_code::done;
}

}  // namespace

awaitable<exit_code> rehearse(pg::connect_options options, plan::change_request change, run::settings chosen,
                              rehearsal_request what, report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    decision made;
    made.copy = copies_anyway(change, chosen);
    if (!made.copy) {
        const auto session = co_await sessions.pool.acquire();
        co_await job::bring_state_up_to_date(*session);
        made = co_await decide(*session, change, chosen);
    }
    if (!made.copy && made.nothing) {
        observer.message(report::level::info, "nothing to do: " + *made.nothing);
        co_return exit_code::done;
    }
    if (!made.copy) {
        throw_if_refused(made.chosen);
        const std::string table = made.table ? made.table->name.display() : change.table.display();
        const report::rehearsal found = told_by_plan(table, change.describe(), made.chosen.steps);
        observer.message(report::level::info,
                         "this takes no copy: it is told by trial and estimate, and nothing is "
                         "run on the table");
        observer.rehearsed(found);
        co_return judge(found, what, observer);
    }
    auto record =
        co_await make_copy(sessions, std::move(change), std::move(chosen), observer, nullptr, rehearse::kind());
    if (!record) {
        co_return exit_code::done;
    }
    const report::rehearsal found = co_await rehearse_copy(sessions, rehearse::kind(), std::move(*record), observer);
    co_return judge(found, what, observer);
}

namespace {

awaitable<exit_code> rehearse_group(pg::connect_options options, plan::group_request tables, run::settings chosen,
                                    const rehearsal_request& what, report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    const task::kind* kind = nullptr;
    auto record = co_await make_group(sessions, std::move(tables), std::move(chosen), observer, kind, nullptr,
                                      group::purpose::rehearsal);
    if (!record) {
        co_return exit_code::done;
    }
    const report::rehearsal found = co_await rehearse_copy(sessions, *kind, std::move(*record), observer);
    co_return judge(found, what, observer);
}

}  // namespace

awaitable<exit_code> rehearse_file(pg::connect_options options, file_request file, run::settings chosen,
                                   rehearsal_request what, report::observer& observer) {
    steps::choice made;
    {
        pg::pool pool(options, "pgeist rehearse");
        const auto session = co_await pool.acquire();
        made = co_await choose_for_file(*session, file, chosen);
    }
    throw_if_refused(file, made);
    if (auto copies = only_copy(file, made); copies && copies->members.size() == 1) {
        chosen.method = run::method_choice::copy;
        plan::change_request change = std::move(copies->members.front().change);
        co_return co_await rehearse(std::move(options), std::move(change), std::move(chosen), std::move(what),
                                    observer);
    }
    if (auto copies = only_copy(file, made)) {
        const exit_code code =
            co_await rehearse_group(std::move(options), std::move(*copies), std::move(chosen), what, observer);
        co_return code;
    }
    for (const steps::step& each : made.steps) {
        if (each.how == steps::method::copy) {
            throw_by_itself(file, each);
        }
    }
    const report::rehearsal found =
        told_by_plan("", file.tables.empty() ? "the migration file" : "the tables", made.steps);
    observer.message(report::level::info,
                     "nothing of it takes a copy: it is told by trial and estimate, and nothing is run");
    observer.rehearsed(found);
    co_return judge(found, what, observer);
}

}  // namespace pgeist::commands
