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
#include "tied_copies.hpp"

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

void write_markdown(const std::string& file, const std::vector<report::rehearsal>& all, report::observer& observer) {
    if (file.empty()) {
        return;
    }
    std::string text;
    for (const report::rehearsal& each : all) {
        text += (text.empty() ? "" : "\n") + report::markdown(each);
    }
    const std::string problem = report::replace_file(file, text, report::readers::owner_and_group);
    if (!problem.empty()) {
        observer.message(report::level::warning, fmt::format("{} was not written: {}", file, problem));
    }
}

/// What the file has SET before it would hold for a copy, which is rehearsed as a change of its own.
void require_no_settings(const file_request& file, const steps::step& copy) {
    if (!file.file.statements.at(copy.source).settings.empty()) {
        throw error(exit_code::refused,
                    fmt::format("{}the copy of {} is to be made under what the file has SET before it, which is not "
                                "rehearsed",
                                place_in(file, copy.line), copy.table),
                    "rehearse that change with --table and --alter; the rest is told by its plan");
    }
}

exit_code judge(const std::vector<report::rehearsal>& all, const rehearsal_request& what, report::observer& observer) {
    if (all.empty()) {
        return exit_code::done;
    }
    write_markdown(what.markdown, all, observer);
    std::string passed;
    for (const report::rehearsal& each : all) {
        const std::string met = join(passed_limits(each, what.limits), "; ");
        if (!met.empty()) {
            passed += (passed.empty() ? "" : "; ") + (all.size() == 1 ? met : each.table + ": " + met);
        }
    }
    if (!passed.empty()) {
        throw error(exit_code::failed, "the rehearsal went well, but: " + passed,
                    "nothing of it is left; choose another way or time, or allow more");
    }
    return exit_code::done;
}

/// Nothing where there is nothing to do.
awaitable<std::optional<report::rehearsal>> rehearse_one(pg::connect_options options, plan::change_request change,
                                                         run::settings chosen, report::observer& observer) {
    std::optional<report::rehearsal> found;
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
        co_return found;
    }
    if (!made.copy) {
        throw_if_refused(made.chosen);
        const std::string table = made.table ? made.table->name.display() : change.table.display();
        found = told_by_plan(table, change.describe(), made.chosen.steps);
        observer.message(report::level::info,
                         "this takes no copy: it is told by trial and estimate, and nothing is "
                         "run on the table");
        observer.rehearsed(*found);
        co_return found;
    }
    auto record =
        co_await make_copy(sessions, std::move(change), std::move(chosen), observer, nullptr, rehearse::kind());
    if (record) {
        found = co_await rehearse_copy(sessions, rehearse::kind(), std::move(*record), observer);
    }
    co_return found;
}

awaitable<std::optional<report::rehearsal>> rehearse_group(pg::connect_options options, plan::group_request tables,
                                                           run::settings chosen, report::observer& observer) {
    std::optional<report::rehearsal> found;
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    const task::kind* kind = nullptr;
    auto record = co_await make_group(sessions, std::move(tables), std::move(chosen), observer, kind, nullptr,
                                      group::purpose::rehearsal);
    if (record) {
        found = co_await rehearse_copy(sessions, *kind, std::move(*record), observer);
    }
    co_return found;
}

/// A copy, or a group of them, among the steps of a file.
awaitable<std::optional<report::rehearsal>> rehearse_step(pg::connect_options options, steps::step copy,
                                                          run::settings chosen, report::observer& observer) {
    std::optional<report::rehearsal> found;
    plan::group_request copies = copies_of(copy);
    if (copies.members.size() == 1) {
        chosen.method = run::method_choice::copy;
        plan::change_request change = std::move(copies.members.front().change);
        found = co_await rehearse_one(std::move(options), std::move(change), std::move(chosen), observer);
    } else {
        found = co_await rehearse_group(std::move(options), std::move(copies), std::move(chosen), observer);
    }
    co_return found;
}

}  // namespace

awaitable<exit_code> rehearse(pg::connect_options options, plan::change_request change, run::settings chosen,
                              rehearsal_request what, report::observer& observer) {
    const auto found = co_await rehearse_one(std::move(options), std::move(change), std::move(chosen), observer);
    std::vector<report::rehearsal> all;
    if (found) {
        all.push_back(*found);
    }
    co_return judge(all, what, observer);
}

awaitable<exit_code> rehearse_file(pg::connect_options options, file_request file, run::settings chosen,
                                   rehearsal_request what, report::observer& observer) {
    steps::choice made;
    {
        pg::pool pool(options, "pgeist rehearse");
        const auto session = co_await pool.acquire();
        made = co_await choose_for_file(*session, file, chosen);
    }
    throw_if_refused(file, made);
    std::vector<steps::step> copies;
    std::vector<steps::step> others;
    for (const steps::step& each : made.steps) {
        if (each.how == steps::method::copy) {
            require_no_settings(file, each);
            copies.push_back(each);
        } else {
            others.push_back(each);
        }
    }
    if (copies.size() > 1 && chosen.scale_rows > 0) {
        throw error(exit_code::refused, "--scale-to has the plan of one copy, and the file needs several",
                    "rehearse each with --table and --alter");
    }
    std::vector<report::rehearsal> all;
    if (!others.empty() || copies.empty()) {
        all.push_back(told_by_plan("", file.tables.empty() ? "the migration file" : "the tables", others));
        observer.message(report::level::info, fmt::format("{} takes no copy: it is told by trial and estimate, and "
                                                          "nothing of it is run",
                                                          copies.empty() ? "this" : "the rest"));
        observer.rehearsed(all.back());
    }
    for (const steps::step& each : copies) {
        const auto found = co_await rehearse_step(options, each, chosen, observer);
        if (found) {
            all.push_back(*found);
        }
    }
    co_return judge(all, what, observer);
}

}  // namespace pgeist::commands
