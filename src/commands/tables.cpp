// `--table … --alter …` more than once, and `--with-references`.

#include "pgeist/commands/tables.hpp"

#include <algorithm>

#include <boost/json.hpp>
#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/json_text.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/plan/alter.hpp"
#include "pgeist/references/survey.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::commands {

namespace {

struct surveyed {
    references::survey found;
    references::bystanders besides;
};

awaitable<void> look_around(pg::connection& session, const tables_request& what, surveyed& into) {
    into.found = co_await references::look(session, what.changes, what.with_references);
    into.besides = co_await references::find_bystanders(session, into.found);
}

awaitable<surveyed> look_around(pg::connect_options options, const tables_request& what) {
    pg::pool pool(std::move(options), "pgeist");
    const auto session = co_await pool.acquire();
    surveyed made;
    const auto looking = [&] { return look_around(*session, what, made); };
    co_await pg::rolled_back(*session, looking);
    std::string messages;
    std::string hints;
    for (const references::obstacle& each : made.found.obstacles) {
        messages += (messages.empty() ? "" : "\n") + each.message;
        hints += (hints.empty() ? "" : "\n") + each.hint;
    }
    if (!messages.empty()) {
        throw error(exit_code::refused, messages, hints);
    }
    co_return made;
}

/// The statements of all tables, one after the other, as a file has them.
file_request file_of(const references::survey& what, const tables_request& asked) {
    file_request made;
    std::string script;
    std::string names;
    for (const references::table_change& each : what.tables) {
        const std::string table = ddl::sql_name(each.change.table);
        qualified_name named = each.change.table;
        for (const plan::alter_statement& statement : plan::parse_alters(each.change.alters, named)) {
            script += plan::alter_sql(table, statement) + "\n;\n";
            made.table_of.push_back(made.tables.size());
        }
        names += (names.empty() ? "" : ", ") + each.change.table.display();
        plan::group_member member{each.change, each.because};
        if (member.change.order == plan::copy_order::automatic) {
            member.change.order = asked.changes.front().order;  // it is the same for all
        }
        made.tables.push_back(std::move(member));
    }
    const auto name_of = [&](std::int64_t oid) {
        const auto found = std::find_if(what.tables.begin(), what.tables.end(),
                                        [&](const references::table_change& each) { return each.oid == oid; });
        return found == what.tables.end() ? std::string() : ddl::sql_name(found->change.table);
    };
    for (const references::tie& each : what.ties) {
        made.tied.emplace_back(name_of(each.one), name_of(each.other));
    }
    made.file = plan::read_migration_file(names, script);
    made.remarks = what.warnings;
    return made;
}

/// One table that nothing is changed with.
const plan::change_request* only_table(const references::survey& what) {
    return what.tables.size() == 1 ? &what.tables.front().change : nullptr;
}

void let_change_choose(const plan::change_request& change, run::settings& chosen) {
    if (change.key_index && chosen.method == run::method_choice::automatic) {
        chosen.method = run::method_choice::copy;
    }
}

namespace json = boost::json;

json::object told(const references::bystanders& besides) {
    json::object object;
    json::array columns;
    for (const references::look_alike& each : besides.columns) {
        columns.push_back(json::object{
            {"table", ddl::sql_name(each.what.table)}, {"column", each.what.name}, {"refers_to", each.refers_to}});
    }
    json::array functions;
    for (const std::string& each : besides.functions) {
        functions.push_back(json::string(each));
    }
    object["looks_like_references"] = std::move(columns);
    object["functions"] = std::move(functions);
    object["alternative"] = besides.alternative ? json::value(*besides.alternative) : json::value(nullptr);
    return object;
}

/// The plan with what the change of the keys does not reach.
plan_result with_bystanders(plan_result plan, const references::bystanders& besides,
                            const std::vector<std::string>& warnings) {
    for (const references::look_alike& each : besides.columns) {
        plan.text += fmt::format("looks like a reference to {}, without a foreign key: {}\n", each.refers_to,
                                 each.what.display());
    }
    for (const std::string& each : besides.functions) {
        plan.text += fmt::format("function that may take such keys by their old type: {}\n", each);
    }
    if (besides.alternative) {
        plan.text += "alternative: " + *besides.alternative + "\n";
    }
    json::object object = json_from(plan.json).as_object();
    for (auto& member : told(besides)) {
        object[member.key()] = std::move(member.value());
    }
    for (const std::string& each : warnings) {
        plan.text += "warning: " + each + "\n";
        if (json::value* remarks = object.if_contains("remarks")) {
            remarks->as_array().push_back(json::object{{"refuses", false}, {"message", each}, {"hint", ""}});
        }
    }
    plan.json = report::harmless(json::serialize(object));
    return plan;
}

void tell_warnings(const std::vector<std::string>& warnings, report::observer& observer) {
    for (const std::string& each : warnings) {
        observer.message(report::level::warning, each);
    }
}

}  // namespace

awaitable<exit_code> start_tables(pg::connect_options options, tables_request what, run::settings chosen,
                                  report::observer& observer) {
    const surveyed all = co_await look_around(options, what);
    if (const plan::change_request* only = only_table(all.found)) {
        tell_warnings(all.found.warnings, observer);
        let_change_choose(*only, chosen);
        co_return co_await start(std::move(options), *only, std::move(chosen), observer);
    }
    file_request file = file_of(all.found, what);
    const exit_code code = co_await start_file(std::move(options), std::move(file), std::move(chosen), observer);
    co_return code;
}

awaitable<plan_result> plan_tables(pg::connect_options options, tables_request what, run::settings chosen) {
    const surveyed all = co_await look_around(options, what);
    if (const plan::change_request* only = only_table(all.found)) {
        let_change_choose(*only, chosen);
        plan_result one = co_await make_plan(std::move(options), *only, std::move(chosen));
        co_return with_bystanders(std::move(one), all.besides, all.found.warnings);
    }
    file_request file = file_of(all.found, what);
    file.remarks.clear();
    plan_result several = co_await make_file_plan(std::move(options), std::move(file), std::move(chosen));
    co_return with_bystanders(std::move(several), all.besides, all.found.warnings);
}

awaitable<exit_code> rehearse_tables(pg::connect_options options, tables_request what, run::settings chosen,
                                     rehearsal_request how, report::observer& observer) {
    const surveyed all = co_await look_around(options, what);
    if (const plan::change_request* only = only_table(all.found)) {
        tell_warnings(all.found.warnings, observer);
        let_change_choose(*only, chosen);
        co_return co_await rehearse(std::move(options), *only, std::move(chosen), std::move(how), observer);
    }
    file_request file = file_of(all.found, what);
    const exit_code code =
        co_await rehearse_file(std::move(options), std::move(file), std::move(chosen), std::move(how), observer);
    co_return code;
}

}  // namespace pgeist::commands
