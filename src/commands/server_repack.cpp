#include <boost/json.hpp>
#include <fmt/format.h>

#include "create_job.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/report/text.hpp"
#include "pgeist/supervise/carry_out.hpp"
#include "pgeist/supervise/session_set.hpp"
#include "pgeist/tasks/server_repack/kind.hpp"
#include "pgeist/tasks/server_repack/preparation.hpp"

namespace pgeist::commands {

namespace {

/// What a run of it begins with.
struct beginning_of_repack {
    supervise::session_set& sessions;
    const plan::change_request& change;
    const run::settings& chosen;
    server_repack::intention what;
};

awaitable<std::optional<std::int64_t>> make_repack(beginning_of_repack& begin, pg::connection& session) {
    begin.what = co_await server_repack::consider(session, begin.change);
    server_repack::require_possible(begin.what);
    const job::tenure first =
        co_await server_repack::make_job(session, *begin.sessions.hold, begin.change, begin.what, begin.chosen);
    std::optional<std::int64_t> job = first.job;
    co_return job;
}

awaitable<void> consider_repack(pg::connection& session, const plan::change_request& change,
                                server_repack::intention& what) {
    what = co_await server_repack::consider(session, change);
}

std::string repack_json(const plan::change_request& change, const server_repack::intention& what) {
    boost::json::object object;
    object["event"] = "plan";
    object["table"] = what.table.display();
    object["change"] = change.describe();
    object["refused"] = !what.how.refusals.empty();
    object["strategy"] = "server";
    object["estimated_ms"] = what.step.estimated_ms.value_or(0);
    object["steps"] = boost::json::array{json_from(steps::describe_json(what.step))};
    object["server_repack"] = json_from(plan::describe_json(what.how));
    boost::json::array remarks;
    for (const std::string& each : what.how.refusals) {
        remarks.push_back(boost::json::object{{"refuses", true}, {"message", each}, {"hint", ""}});
    }
    remarks.push_back(boost::json::object{{"refuses", false}, {"message", server_repack::warning(what)}, {"hint", ""}});
    object["remarks"] = std::move(remarks);
    return boost::json::serialize(object);
}

}  // namespace

awaitable<exit_code> start_server_repack(pg::connect_options options, plan::change_request change, run::settings chosen,
                                         report::observer& observer) {
    supervise::session_set sessions(std::move(options));
    co_await supervise::open_hold(sessions);
    beginning_of_repack begin{sessions, change, chosen, {}};
    const auto making = [&](pg::connection& session) { return make_repack(begin, session); };
    const qualified_name unlocked;  // it waits for no table of the user's
    auto record = co_await create_job(sessions, server_repack::kind(), chosen.reconnect_max, unlocked, making);
    observer.job_started(record->id, record->table.display(), server_repack::kind().labels().strategy);
    observer.message(report::level::warning, server_repack::warning(begin.what));
    sessions.pool.name_sessions(job::session_name(record->id));
    co_await supervise::carry_out(sessions, server_repack::kind(), std::move(*record), observer);
    co_return exit_code::done;
}

awaitable<plan_result> plan_server_repack(pg::connect_options options, plan::change_request change) {
    const auto session = co_await pg::connection::open(std::move(options), "pgeist plan");
    server_repack::intention what;
    const auto reading = [&] { return consider_repack(*session, change, what); };
    co_await pg::rolled_back(*session, reading);
    const exit_code code = what.how.refusals.empty() ? exit_code::done : exit_code::refused;
    std::string text =
        "By the server itself\n" + plan::describe(what.how) + "warning: " + server_repack::warning(what) + "\n";
    std::string sql = "SQL\n  " + what.how.statement + ";\n";
    plan_result result(code, std::move(text), std::move(sql), report::harmless(repack_json(change, what)));
    co_return result;
}

}  // namespace pgeist::commands
