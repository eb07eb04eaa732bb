#include "pgeist/sql/inheriting_table.hpp"

#include "pgeist/sql/table.hpp"
#include <fmt/format.h>

namespace pgeist::sql {

namespace {

/// Whether the column_parent hands the constraint down. NOT NULL comes with LIKE.
bool is_handed_down(const catalog::constraint& each) { return each.type == 'c' && !each.local && each.validated; }

std::string label_of(const catalog::constraint& each) { return "constraint " + display_identifier(each.name); }

}  // namespace

// Whether a column or constraint is the table's own decides what happens when the parent drops it, and only CREATE
// TABLE … INHERITS can make one that is not. The column_parent has the source's columns in the source's order; those
// that are the source's own are named once more.
statements create_inheriting(const catalog::table& source, const qualified_name& column_parent,
                             const qualified_name& target) {
    statements all;
    all.push_back({"the table", fmt::format("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING GENERATED INCLUDING "
                                            "STORAGE INCLUDING COMPRESSION)",
                                            column_parent.sql(), source.name.sql())});
    for (const auto& each : source.constraints) {
        if (is_handed_down(each)) {
            all.push_back({label_of(each), fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", column_parent.sql(),
                                                       quote_identifier(each.name), each.definition)});
        }
    }
    std::vector<std::string> own;
    for (const auto& column : source.columns) {
        if (column.local) {
            own.push_back(fmt::format("{} {}{}", quote_identifier(column.name), column.type,
                                      column.collation.empty() ? "" : " COLLATE " + column.collation));
        }
    }
    all.push_back({"the table",
                   fmt::format("CREATE {}TABLE {} ({}) INHERITS ({}){}", source.persistence == 'u' ? "UNLOGGED " : "",
                               target.sql(), join(own, ", "), column_parent.sql(), storage_clauses(source))});
    return all;
}

statements inheriting_details(const catalog::table& source, const catalog::table& found, const qualified_name& target) {
    statements all;
    for (const auto& wanted : source.constraints) {
        const bool made = found.find_constraint(wanted.name) != nullptr;
        if ((wanted.type != 'c' && wanted.type != 'n') || (made && !wanted.local)) {
            if (made && wanted.comment) {
                all.push_back(comment_on(
                    fmt::format("CONSTRAINT {} ON {}", quote_identifier(wanted.name), target.sql()), *wanted.comment));
            }
            continue;
        }
        for (auto& each : add_constraint(wanted, target)) {
            all.push_back(std::move(each));
        }
    }
    for (const auto& column : source.columns) {
        if (column.comment) {
            all.push_back(
                comment_on(fmt::format("COLUMN {}.{}", target.sql(), quote_identifier(column.name)), *column.comment));
        }
    }
    return all;
}

}  // namespace pgeist::sql
