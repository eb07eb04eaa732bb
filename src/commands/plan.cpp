#include <algorithm>

#include <fmt/format.h>

#include "copy_plan.hpp"
#include "create_job.hpp"
#include "methods.hpp"
#include "pgeist/check/server_repack.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/plan/describe.hpp"
#include "pgeist/report/json/json_line.hpp"
#include "pgeist/report/text.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

namespace {

awaitable<void> try_to_prepare(pg::connection& session, const plan::change_request& change, const run::settings& chosen,
                               rewrite::preparation& made) {
    made = co_await rewrite::prepare(session, nullptr, change, chosen);
}

}  // namespace

namespace {

/// The same object with `steps`; names need not be UTF-8.
std::string with_steps(const std::string& plan, const std::vector<steps::step>& steps) {
    std::string list;
    for (const steps::step& each : steps) {
        list += (list.empty() ? "" : ",") + steps::describe_json(each);
    }
    return report::harmless(plan.substr(0, plan.size() - 1) + ",\"steps\":[" + list + "]}");
}

/// The plan of a change that is made where the table is.
plan_result without_copy(const plan::change_request& change, const decision& how) {
    const std::string table = how.table ? how.table->name.display() : change.table.display();
    std::string text = fmt::format("Plan for {}\n", change.describe());
    std::string remarks;
    for (const steps::obstacle& each : how.chosen.refusals) {
        text += fmt::format("refused: {}\n", each.message) + (each.hint.empty() ? "" : "  hint: " + each.hint + "\n");
        remarks +=
            (remarks.empty() ? "" : ",") +
            report::json_line().boolean("refuses", true).text("message", each.message).text("hint", each.hint).str();
    }
    for (const std::string& each : how.chosen.warnings) {
        text += "warning: " + each + "\n";
        remarks += (remarks.empty() ? "" : ",") +
                   report::json_line().boolean("refuses", false).text("message", each).text("hint", "").str();
    }
    if (how.nothing) {
        const std::string message = "nothing to do: " + *how.nothing;
        text += message + "\n";
        remarks += (remarks.empty() ? "" : ",") +
                   report::json_line().boolean("refuses", false).text("message", message).text("hint", "").str();
    }
    const bool refused = !how.chosen.refusals.empty();
    if (!refused) {
        text += "Steps\n" + steps::describe(how.chosen.steps);
    }
    report::json_line line;
    line.text("event", "plan").text("table", table).text("change", change.describe()).boolean("refused", refused);
    line.text("strategy", "native").raw("remarks", "[" + remarks + "]");
    return {refused ? exit_code::refused : exit_code::done, std::move(text), steps::sql_of(how.chosen.steps),
            with_steps(line.str(), how.chosen.steps)};
}

}  // namespace

awaitable<plan_result> plan_copy(pg::connection& session, plan::change_request change, run::settings chosen,
                                 std::vector<steps::step> steps) {
    rewrite::preparation made;
    const auto trial = [&] { return try_to_prepare(session, change, chosen, made); };
    co_await try_on_table(session, change.table, trial);
    plan::description what = described(change, made);
    std::optional<plan::server_repack> server;
    if (change.repack && change.sets.empty() && change.alters.empty() && made.blueprint) {
        server = co_await check::consider_server_repack(session, made.blueprint->source_oid);
    }
    what.server = server ? &*server : nullptr;
    const bool was_chosen = !copies_anyway(change, chosen);
    std::string text;
    if (was_chosen && !steps.empty()) {
        text = fmt::format("By a copy, because {}\n", steps.front().why);
    }
    if (steps.empty()) {
        const std::string table = made.blueprint ? made.blueprint->table.display() : change.table.display();
        steps.push_back(
            copy_step(change, table,
                      was_chosen ? "the table cannot be changed otherwise" : "only a copy does it, or was asked for"));
    }
    text += plan::describe(what);
    std::string json = with_steps(plan::describe_json(what), steps);
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

awaitable<plan_result> make_plan(pg::connect_options options, plan::change_request change, run::settings chosen) {
    pg::pool pool(std::move(options), "pgeist plan");
    const auto session = co_await pool.acquire();
    decision how = co_await decide(*session, change, chosen);
    if (!how.copy) {
        plan_result in_place = without_copy(change, how);
        co_return in_place;
    }
    plan_result copy = co_await plan_copy(*session, std::move(change), std::move(chosen), std::move(how.chosen.steps));
    co_return copy;
}

}  // namespace pgeist::commands
