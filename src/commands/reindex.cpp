#include <boost/json.hpp>
#include <fmt/format.h>

#include "create_job.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/report/text.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/session_set.hpp"
#include "pgeist/tasks/reindex/kind.hpp"
#include "pgeist/tasks/reindex/preparation.hpp"

namespace pgeist::commands {

namespace {

/// What a run of it begins with.
struct beginning {
    supervise::session_set& sessions;
    const reindex::request& what;
    const run::settings& chosen;
    report::observer& observer;
    reindex::intention how;
};

awaitable<std::optional<std::int64_t>> make(beginning& begin, pg::connection& session) {
    begin.how = co_await reindex::consider(session, begin.what);
    std::optional<std::int64_t> job;
    if (!begin.how.steps.empty()) {
        const job::tenure first =
            co_await reindex::make_job(session, *begin.sessions.hold, begin.what, begin.how, begin.chosen);
        job = first.job;
    }
    co_return job;
}

awaitable<void> consider_only(pg::connection& session, const reindex::request& what, reindex::intention& how) {
    how = co_await reindex::consider(session, what);
}

std::string as_json(const reindex::request& what, const reindex::intention& how) {
    boost::json::object object;
    object["event"] = "plan";
    object["table"] = how.table.display();
    object["change"] = what.describe();
    object["refused"] = false;
    object["strategy"] = "reindex";
    object["index_bytes"] = how.index_bytes;
    boost::json::array steps;
    std::int64_t time = 0;
    for (const steps::step& each : how.steps) {
        steps.push_back(json_from(steps::describe_json(each)));
        time += each.estimated_ms.value_or(0);
    }
    object["estimated_ms"] = time;
    object["steps"] = std::move(steps);
    boost::json::array remarks;
    for (const std::string& each : how.warnings) {
        remarks.push_back(boost::json::object{{"refuses", false}, {"message", each}, {"hint", ""}});
    }
    object["remarks"] = std::move(remarks);
    return boost::json::serialize(object);
}

std::string as_text(const reindex::intention& how) {
    std::string text =
        fmt::format("Rebuild {} index{} of {}, {} in all, CONCURRENTLY, one after the other\n", how.steps.size(),
                    how.steps.size() == 1 ? "" : "es", how.table.display(), format_size(how.index_bytes));
    text += steps::describe(how.steps);
    for (const std::string& each : how.warnings) {
        text += "warning: " + each + "\n";
    }
    if (how.steps.empty()) {
        text += "nothing to do\n";
    }
    return text;
}

std::string sql_of(const reindex::intention& how) {
    std::string text = "SQL\n";
    for (const steps::step& each : how.steps) {
        text += "  " + each.actions.front().statements.front() + ";\n";
    }
    return text;
}

}  // namespace

awaitable<exit_code> start_reindex(pg::connect_options options, reindex::request what, run::settings chosen,
                                   report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    beginning begin{sessions, what, chosen, observer, {}};
    const auto making = [&](pg::connection& session) { return make(begin, session); };
    const qualified_name unlocked;  // it waits for no table of the user's
    auto record = co_await create_job(sessions, reindex::kind(), chosen.reconnect_max, unlocked, making);
    if (record) {
        observer.job_started(record->id, record->table.display(), reindex::kind().labels().strategy);
    }
    for (const std::string& each : begin.how.warnings) {
        observer.message(report::level::warning, each);
    }
    if (!record) {
        observer.message(report::level::info,
                         fmt::format("nothing to do: {} has no index to rebuild", begin.how.table.display()));
        co_return exit_code::done;
    }
    sessions.pool.name_sessions(job::session_name(record->id));
    co_await supervise::carry_out(sessions, reindex::kind(), std::move(*record), observer);
    co_return exit_code::done;
}

awaitable<plan_result> plan_reindex(pg::connect_options options, reindex::request what) {
    const auto session = co_await pg::connection::open(std::move(options), "pgeist plan");
    reindex::intention how;
    const auto reading = [&] { return consider_only(*session, what, how); };
    co_await pg::rolled_back(*session, reading);
    plan_result result(exit_code::done, as_text(how), sql_of(how), report::harmless(as_json(what, how)));
    co_return result;
}

}  // namespace pgeist::commands
