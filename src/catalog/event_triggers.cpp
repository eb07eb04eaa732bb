#include "pgeist/catalog/event_triggers.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/identifier.hpp"

namespace pgeist::catalog {

namespace {

// Login and table_rewrite are not fired by anything that pgeist does.
constexpr const char* event_triggers_sql = R"(
    SELECT e.evtname, e.evtevent, p.proname FROM pg_event_trigger e JOIN pg_proc p ON p.oid = e.evtfoid
     WHERE e.evtenabled <> 'D' AND e.evtevent IN ('ddl_command_start', 'ddl_command_end', 'sql_drop') ORDER BY e.evtname)";

/// As in `PL/pgSQL function public.no_drop() line 6 at RAISE`, or `PL/Python function "no_drop"`.
bool tells_of(const std::string& context, const std::string& function) {
    const std::string quoted = quote_identifier(function);
    const auto has = [&](const std::string& text) { return context.find(text) != std::string::npos; };
    return has("." + function + "()") || has("." + quoted + "()") || has(" function " + quoted + "()") ||
           has(fmt::format("function \"{}\"", function));
}

}  // namespace

awaitable<std::vector<event_trigger>> read_event_triggers(pg::connection& session) {
    const auto rows = co_await session.query(event_triggers_sql);
    std::vector<event_trigger> all;
    for (int row = 0; row < rows.rows(); ++row) {
        event_trigger each;
        each.name = quote_identifier(rows.text(row, "evtname"));
        each.event = rows.text(row, "evtevent");
        each.function = rows.text(row, "proname");
        all.push_back(std::move(each));
    }
    co_return all;
}

const event_trigger* raised_by(const std::vector<event_trigger>& all, const pg::sql_error& problem) {
    const auto found = std::find_if(all.begin(), all.end(), [&](const event_trigger& each) {
        return tells_of(problem.diag().context, each.function);
    });
    return found == all.end() ? nullptr : &*found;
}

std::string may_have_changed(const std::vector<event_trigger>& all) {
    std::vector<std::string> names;
    for (const event_trigger& each : all) {
        if (each.event == "ddl_command_end") {
            names.push_back(fmt::format("{} (function {})", each.name, each.function));
        }
    }
    return join(names, " or ");
}

}  // namespace pgeist::catalog
