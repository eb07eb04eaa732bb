#include <boost/json.hpp>
#include <fmt/format.h>

#include "create_job.hpp"
#include "pgeist/commands/commands.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/report/text.hpp"
#include "pgeist/tasks/expand/kind.hpp"
#include "pgeist/tasks/expand/preparation.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

namespace {

/// What the table would get, one line each.
std::vector<std::string> additions_of(const expand::spec& plan) {
    std::vector<std::string> lines;
    for (const expand::added_column& each : plan.added) {
        lines.push_back(fmt::format("column {} {}{}{}", display_identifier(each.name), each.definition,
                                    each.default_value ? " DEFAULT " + *each.default_value : "",
                                    each.not_null ? " NOT NULL" : ""));
    }
    for (const expand::twin_index& each : plan.indexes) {
        lines.push_back(each.create_sql + (each.deferrable.empty() ? "" : ", for a constraint " + each.deferrable));
    }
    for (const expand::twin_constraint& each : plan.constraints) {
        lines.push_back(fmt::format("constraint {} {}", display_identifier(each.name), each.definition));
    }
    for (const expand::twin_statistics& each : plan.statistics) {
        lines.push_back(fmt::format("statistics {}{}", display_identifier(each.name.name), each.definition));
    }
    lines.push_back(fmt::format("trigger {}, until pgeist contract", display_identifier(plan.trigger)));
    return lines;
}

std::string describe(const expand::request& asked, const expand::preparation& made) {
    std::string text = fmt::format("plan for {}\n\nthe table gets\n", asked.describe());
    for (const std::string& each : additions_of(made.plan)) {
        text += "  " + each + "\n";
    }
    text += "\nphases\n";
    for (const task::phase& each : expand::kind().phases()) {
        if (!each.purpose.empty()) {
            text += fmt::format("  {:<10}{}; lock: {}\n", each.told.name, each.purpose, each.told.lock);
        }
    }
    text += made.warnings.empty() ? "" : "\nwarnings\n";
    for (const std::string& each : made.warnings) {
        text += "  " + each + "\n";
    }
    return text;
}

std::string describe_json(const expand::request& asked, const expand::preparation& made) {
    boost::json::object object;
    object["event"] = "plan";
    object["table"] = made.plan.table.display();
    object["change"] = asked.describe();
    object["refused"] = false;
    object["strategy"] = "expand";
    boost::json::array additions;
    for (const std::string& each : additions_of(made.plan)) {
        additions.emplace_back(each);
    }
    object["additions"] = std::move(additions);
    boost::json::array phases;
    for (const task::phase& each : expand::kind().phases()) {
        if (!each.purpose.empty()) {
            phases.push_back(
                boost::json::object{{"phase", each.told.name}, {"what", each.purpose}, {"lock", each.told.lock}});
        }
    }
    object["phases"] = std::move(phases);
    boost::json::array remarks;
    for (const std::string& each : made.warnings) {
        remarks.push_back(boost::json::object{{"refuses", false}, {"message", each}, {"hint", ""}});
    }
    object["remarks"] = std::move(remarks);
    return boost::json::serialize(object);
}

awaitable<void> try_to_expand(pg::connection& session, const expand::request& asked, const run::settings& chosen,
                              expand::preparation& made) {
    made = co_await expand::prepare(session, nullptr, asked, chosen);
}

}  // namespace

awaitable<plan_result> plan_expansion(pg::connect_options options, expand::request asked, run::settings chosen) {
    pg::pool pool(std::move(options), "pgeist plan");
    const auto session = co_await pool.acquire();
    expand::preparation made;
    const auto trial = [&] { return try_to_expand(*session, asked, chosen, made); };
    co_await try_on_table(*session, asked.table, trial);
    std::string text = describe(asked, made);
    std::string json = report::harmless(describe_json(asked, made));
    plan_result result(exit_code::done, std::move(text), "", std::move(json));
    co_return result;
}

}  // namespace pgeist::commands
