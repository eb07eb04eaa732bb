#include "pgeist/swap/waiting_table.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"

namespace pgeist::swap {

namespace {

using statements = std::vector<pg::statement>;

void add(statements& into, const catalog::table& of, const char* kind, const std::string& name, const char* what) {
    into.push_back({fmt::format("{} {} of the table that waits", kind, display_identifier(name)),
                    fmt::format("ALTER TABLE {} DROP {} {}", of.name.sql(), what, quote_identifier(name))});
}

void add_drop(statements& into, const catalog::table& of, const char* kind, const std::string& name) {
    into.push_back({fmt::format("{} {} of the table that waits", kind, display_identifier(name)),
                    fmt::format("DROP {} {} ON {}", kind, quote_identifier(name), of.name.sql())});
}

/// The swap takes each default away that draws from a sequence, lest it keep one that goes with the other table.
void add_defaults(statements& into, const catalog::table& now, const catalog::table& before) {
    for (const auto& sequence : now.sequences) {
        const auto* column = now.find_column(sequence.column);
        const auto* was = column != nullptr ? before.find_column(column->attnum) : nullptr;
        if (!sequence.identity && was != nullptr && was->default_expression && !column->default_expression) {
            into.push_back(
                {"the default of column " + display_identifier(column->name),
                 fmt::format("ALTER TABLE {} ALTER COLUMN {} SET DEFAULT nextval({}::regclass)", now.name.sql(),
                             quote_identifier(column->name), quote_literal(sequence.name.sql()))});
        }
    }
}

}  // namespace

awaitable<std::vector<pg::statement>> retirement(pg::connection& session, std::int64_t oid,
                                                 const catalog::table& before) {
    const catalog::table now = co_await catalog::read_table(session, oid);
    statements all;
    for (const auto& each : now.foreign_keys) {
        add(all, now, "foreign key", each.name, "CONSTRAINT");
    }
    for (const auto& each : now.triggers) {
        add_drop(all, now, "TRIGGER", each.name);
    }
    for (const auto& each : now.policies) {
        add_drop(all, now, "POLICY", each.name);
    }
    for (const auto& each : now.rules) {
        add_drop(all, now, "RULE", each.name);
    }
    if (now.row_security || now.force_row_security) {
        all.push_back(
            {"row security of the table that waits",
             fmt::format("ALTER TABLE {} DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY", now.name.sql())});
    }
    for (const auto& each : now.constraints) {
        if ((each.type == 'c' || each.type == 'n') && !each.validated && each.enforced) {
            add(all, now, "constraint", each.name, "CONSTRAINT");
        }
    }
    add_defaults(all, now, before);
    co_return all;
}

}  // namespace pgeist::swap
