#include <algorithm>

#include <fmt/format.h>

#include "site.hpp"

// An event trigger of the user's is fired by what pgeist makes and drops for itself, and may refuse it or change it.
// What it does cannot be known, so nobody is refused for having one; but whoever is refused is told which it was.
namespace pgeist::shadow {

namespace {

// Login and table_rewrite are not fired by anything that pgeist does.
constexpr const char* event_triggers_sql = R"(
    SELECT e.evtname, e.evtevent, p.proname FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid
     WHERE e.evtenabled <> 'D' AND e.evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop') ORDER BY e.evtname)";

std::string how_to_go_on(const site& at, const std::string& name) {
    return fmt::format("ALTER EVENT TRIGGER {} DISABLE for the time of the run, or let it pass over schemas {} and {}",
                       name, at.job_schema, at.passage_schema);
}

}  // namespace

awaitable<void> read_event_triggers(site& at) {
    const auto rows = co_await at.conn.query(event_triggers_sql);
    for (int row = 0; row < rows.rows(); ++row) {
        event_trigger each;
        each.name = quote_identifier(rows.text(row, "evtname"));
        each.event = rows.text(row, "evtevent");
        each.function = rows.text(row, "proname");
        at.event_triggers.push_back(std::move(each));
    }
}

std::string hint_for(const site& at, const pg::sql_error& problem) {
    for (const auto& each : at.event_triggers) {
        // As in `PL/pgSQL function public.no_drop() line 6 at RAISE`.
        const auto& context = problem.diag().context;
        if (context.find("." + each.function + "()") != std::string::npos ||
            context.find("." + quote_identifier(each.function) + "()") != std::string::npos) {
            return fmt::format("event trigger {} refused it: {}", each.name, how_to_go_on(at, each.name));
        }
    }
    return problem.diag().hint;
}

std::string suspects(const site& at) {
    std::vector<std::string> names;
    for (const auto& each : at.event_triggers) {
        if (each.event == "ddl_command_end") {
            names.push_back(each.name);
        }
    }
    if (names.empty()) {
        return {};
    }
    return fmt::format("event trigger {} may have changed it: {}", join(names, " or "),
                       how_to_go_on(at, names.front()));
}

}  // namespace pgeist::shadow
