#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/sql/foreign_key.hpp"
#include "pgeist/sql/policy.hpp"
#include "pgeist/sql/rule.hpp"
#include "pgeist/swap/plan/steps.hpp"

// What hangs on the table without being part of it: policies, extended statistics, publications.
namespace pgeist::swap {

namespace {

/// Whether a column is renamed or dropped.
bool loses_names(const build_context& at, const catalog::table& after) {
    return std::any_of(at.source.columns.begin(), at.source.columns.end(), [&](const catalog::column& column) {
        const auto* kept = kept_column(at, after, column.attnum);
        return kept == nullptr || kept->name != column.name;
    });
}

/// The server renames columns in what is on the shadow; where a policy or rule reads the table itself, it reads the
/// source.
void require_no_self_reference(const build_context& at, const std::string& what, const std::string& text) {
    if (text.find(at.source.printed_name) != std::string::npos) {
        throw error(exit_code::refused,
                    fmt::format("{} of {} reads the table itself, and a column is renamed or dropped", what,
                                at.source.name.display()),
                    "drop it for the time of the run and make it again afterwards, or rename the column in an ALTER "
                    "TABLE of its own");
    }
}

void require_names_kept(const build_context& at, const catalog::table& after) {
    if (at.adopted || !loses_names(at, after)) {  // the texts of one that comes back are its own
        return;
    }
    for (const auto& each : after.policies) {
        require_no_self_reference(at, "policy " + display_identifier(each.name),
                                  each.using_expression.value_or("") + each.check_expression.value_or(""));
    }
    for (const auto& each : after.rules) {
        require_no_self_reference(at, "rule " + display_identifier(each.name), each.definition);
    }
}

/// Policies and rules may read the table itself, by its name: made when the name leads to the new table.
void plan_row_security(const build_context& at, const catalog::table& after, plan::blueprint& into) {
    require_names_kept(at, after);
    for (const auto& each : after.policies) {
        into.swap.add_all(plan::stage::attach, create_policy(after, each, at.source.name));
    }
    into.swap.add_all(plan::stage::attach, row_security(after, at.source.name));
    for (const auto& each : after.rules) {
        into.swap.add_all(plan::stage::attach, create_rule(after, each, at.source.name));
    }
}

std::string move_statistics(const qualified_name& from, const std::string& to) {
    return fmt::format("ALTER STATISTICS {} SET SCHEMA {}", from.sql(), quote_identifier(to));
}

/// Statistics stay in their schema when their table leaves: those of both tables change places as the tables do. The
/// new ones have been there since before VACUUM (ANALYZE), and so have their data.
void plan_statistics(const build_context& at, const catalog::table& after, plan::blueprint& into) {
    for (const auto& old : at.source.extended_statistics) {
        const std::string label = "statistics " + display_identifier(old.name.name);
        into.swap.add(plan::stage::detach, {label, move_statistics(old.name, at.passage_schema)});
    }
    for (const auto& made : after.extended_statistics) {
        std::string schema = at.source.name.schema;
        for (const auto& old : at.source.extended_statistics) {
            schema = old.name.name == made.name.name ? old.name.schema : schema;
        }
        into.swap.add(plan::stage::attach,
                      {"statistics " + display_identifier(made.name.name), move_statistics(made.name, schema)});
    }
    for (const auto& old : at.source.extended_statistics) {
        into.swap.add(plan::stage::attach, {"statistics " + display_identifier(old.name.name),
                                            move_statistics({at.passage_schema, old.name.name}, at.job_schema)});
    }
}

/// The columns of the source under the names they have in the shadow.
std::vector<known_column> new_names(const build_context& at, const catalog::table& after) {
    std::vector<known_column> known;
    for (const auto& column : at.source.columns) {
        known_column each;
        each.name = column.name;
        const auto* kept = kept_column(at, after, column.attnum);
        each.sql = kept != nullptr ? quote_identifier(kept->name) : std::string();
        known.push_back(std::move(each));
    }
    return known;
}

std::string column_list(const build_context& at, const std::vector<known_column>& names,
                        const catalog::publication& each) {
    std::vector<std::string> columns;
    for (const auto& column : each.columns) {
        for (const auto& known : names) {
            if (known.name == column && known.sql.empty()) {
                throw error(
                    exit_code::refused,
                    fmt::format("column {} of {} is dropped, but publication {} publishes it",
                                display_identifier(column), at.source.name.display(), display_identifier(each.name)),
                    "take it out of the publication first");
            }
            if (known.name == column) {
                columns.push_back(known.sql);
            }
        }
    }
    return columns.empty() ? std::string() : fmt::format(" ({})", join(columns, ", "));
}

/// Tables cannot be added to the exclusion one by one. The old table stays in it for as long as it is kept.
std::string leave_out_both(const build_context& at, const catalog::publication& each) {
    std::vector<std::string> tables{"TABLE ONLY " + at.source.name.sql(), "TABLE ONLY " + at.shadow.sql()};
    for (const auto& other : each.exclusion) {
        tables.push_back("TABLE ONLY " + other);
    }
    return fmt::format("ALTER PUBLICATION {} SET ALL TABLES EXCEPT ({}){}", quote_identifier(each.name),
                       join(tables, ", "), each.all_sequences ? ", ALL SEQUENCES" : "");
}

awaitable<void> plan_publications(build_context& at, const catalog::table& after, plan::blueprint& into) {
    const auto names = new_names(at, after);
    for (const auto& each : at.source.publications) {
        const std::string label = "publication " + display_identifier(each.name);
        const std::string name = quote_identifier(each.name);
        if (each.excludes) {
            into.swap.add(plan::stage::attach, {label, leave_out_both(at, each)});
            continue;
        }
        std::string table = at.source.name.sql() + column_list(at, names, each);
        if (each.filter) {
            std::string what = "the row filter of " + label;
            const auto filter = co_await resolve_expression(at, at.source.name, names, *each.filter, std::move(what));
            table += fmt::format(" WHERE ({})", filter.sql);
        }
        plan::statement drop;
        drop.label = label;
        drop.sql = fmt::format("ALTER PUBLICATION {} DROP TABLE {}", name, at.source.name.sql());
        plan::statement add_table;
        add_table.label = label;
        add_table.sql = fmt::format("ALTER PUBLICATION {} ADD TABLE {}", name, table);
        into.swap.add(plan::stage::detach, std::move(drop));
        into.swap.add(plan::stage::attach, std::move(add_table));
    }
}

}  // namespace

awaitable<void> plan_swap_objects(build_context& at, const catalog::table& after, plan::blueprint& into) {
    plan_row_security(at, after, into);
    plan_statistics(at, after, into);
    co_await plan_publications(at, after, into);
}

}  // namespace pgeist::swap
