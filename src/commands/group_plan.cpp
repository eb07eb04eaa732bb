#include "group_plan.hpp"

#include <boost/json.hpp>
#include <fmt/format.h>

#include "copy_plan.hpp"
#include "create_job.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "pgeist/ddl/statement.hpp"
#include "pgeist/plan/alter.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/estimate.hpp"
#include "pgeist/report/text.hpp"
#include "pgeist/tasks/group/preparation.hpp"
#include "tied_copies.hpp"

namespace pgeist::commands {

namespace {

namespace json = boost::json;

awaitable<void> try_to_prepare(pg::connection& session, const plan::group_request& what, const run::settings& chosen,
                               std::vector<rewrite::preparation>& made) {
    made = co_await group::prepare(session, nullptr, what, chosen);
}

/// What the members need at once: all shadows are there until the swap.
struct sums {
    std::int64_t rows = 0;
    std::int64_t table_bytes = 0;
    std::int64_t index_bytes = 0;
    std::int64_t space_bytes = 0;
    std::int64_t time_ms = 0;
};

sums sums_of(const std::vector<rewrite::preparation>& all) {
    sums total;
    for (const rewrite::preparation& each : all) {
        if (each.blueprint) {
            const plan::estimate rough = plan::estimate_of(*each.blueprint);
            total.rows += each.blueprint->estimated_rows;
            total.table_bytes += each.blueprint->table_bytes;
            total.index_bytes += each.blueprint->index_bytes;
            total.space_bytes += rough.space_bytes;
            total.time_ms += rough.time.count();
        }
    }
    return total;
}

std::string head(const plan::group_request& what, const std::string& why, const sums& together) {
    std::string text =
        fmt::format("Group of {} tables, copied side by side and exchanged in one transaction\n", what.members.size());
    for (const plan::group_member& each : what.members) {
        text += fmt::format("  {}: {}\n", each.change.table.display(), each.because);
    }
    text += fmt::format("because {}\n", why);
    text +=
        fmt::format("together: about {} rows, tables {}, indexes {}; about {} of work, without throttling\n",
                    format_count(together.rows), format_size(together.table_bytes), format_size(together.index_bytes),
                    format_duration(std::chrono::milliseconds(together.time_ms)));
    text += fmt::format("space: about {} more, for all of them at once until the swap, and as much WAL\n",
                        format_size(together.space_bytes));
    text += "lock: ACCESS EXCLUSIVE on all of them, and on what refers to them, at once, for the moment of the swap\n";
    return text;
}

json::object member_json(const plan::description& what, const plan::group_member& of, const steps::step& step) {
    json::object object = json_from(plan::describe_json(what)).as_object();
    object.erase("event");
    object["because"] = of.because;
    object["locks"] = json_from(steps::describe_json(step)).as_object().at("locks");
    return object;
}

}  // namespace

std::vector<steps::step> steps_of_members(const steps::step& group) {
    std::vector<steps::step> all;
    const plan::group_request copies = copies_of(group);
    for (const plan::group_member& each : copies.members) {
        steps::step one = group;
        one.number = static_cast<int>(all.size()) + 1;
        one.table = ddl::sql_name(each.change.table);
        one.statement.clear();
        qualified_name named = each.change.table;
        for (const plan::alter_statement& statement : plan::parse_alters(each.change.alters, named)) {
            one.statement += (one.statement.empty() ? "" : "; ") + plan::alter_sql(one.table, statement);
        }
        std::erase_if(one.locks, [&](const probe::relation_lock& lock) { return lock.relation != one.table; });
        if (one.locks.empty()) {
            probe::relation_lock lock;
            lock.relation = one.table;
            lock.mode = probe::lock_mode::access_exclusive;
            lock.kind = probe::relation_kind::table;
            one.locks.push_back(std::move(lock));
        }
        all.push_back(std::move(one));
    }
    return all;
}

awaitable<plan_result> plan_group(pg::connection& session, plan::group_request what, run::settings chosen,
                                  steps::choice made) {
    std::vector<rewrite::preparation> all;
    const auto trial = [&] { return try_to_prepare(session, what, chosen, all); };
    co_await try_on_table(session, what.members.front().change.table, trial);
    const std::vector<steps::step> steps = steps_of_members(made.steps.front());
    const sums together = sums_of(all);
    std::string text = head(what, made.steps.front().why, together);
    std::string sql;
    json::array group;
    json::array remarks;
    bool refused = false;
    for (std::size_t at = 0; at < all.size(); ++at) {
        const plan::description member = described(what.members[at].change, all[at]);
        text += "\n" + plan::describe(member);
        sql += all[at].blueprint ? sql_of(all[at]) : "";
        json::object object = member_json(member, what.members[at], steps.at(at));
        for (const json::value& each : object.at("remarks").as_array()) {
            remarks.push_back(each);
        }
        refused = refused || check::refuses(all[at].findings);
        group.push_back(std::move(object));
    }
    json::object object{{"event", "plan"}, {"table", steps.front().table}, {"change", made.steps.front().statement}};
    object["refused"] = refused;
    object["strategy"] = "shadow";
    object["estimated_rows"] = together.rows;
    object["table_bytes"] = together.table_bytes;
    object["index_bytes"] = together.index_bytes;
    object["estimated_ms"] = together.time_ms;
    object["estimated_space_bytes"] = together.space_bytes;
    for (const std::string& each : made.warnings) {
        text += "warning: " + each + "\n";
        remarks.push_back(json::object{{"refuses", false}, {"message", each}, {"hint", ""}});
    }
    json::array list;
    for (const steps::step& each : steps) {
        list.push_back(json_from(steps::describe_json(each)));
    }
    object["group"] = std::move(group);
    object["remarks"] = std::move(remarks);
    object["steps"] = std::move(list);
    const exit_code code = refused ? exit_code::refused : exit_code::done;
    plan_result result(code, std::move(text), std::move(sql), report::harmless(json::serialize(object)));
    co_return result;
}

}  // namespace pgeist::commands
