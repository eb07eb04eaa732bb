#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "pgeist/catalog/operators.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/plan/alter.hpp"
#include "planning.hpp"
#include "sync_sql.hpp"

namespace pgeist::expand {

namespace {

bool is_new(const workshop& with, const std::string& name) {
    const auto& added = with.made.plan.added;
    return std::any_of(added.begin(), added.end(), [&](const added_column& each) { return each.name == name; });
}

/// One --up or --down, and what it reads.
struct resolved_assignment {
    assignment what;
    std::vector<std::string> reads;
    bool plain = false;  ///< a column, and nothing else
    bool built_in = true;
};

/// The columns that an expression may read: those of the other side.
std::vector<target::known_column> readable(const workshop& with, bool new_ones) {
    std::vector<target::known_column> known;
    for (const auto& column : with.wide.columns) {
        target::known_column each;
        each.name = column.name;
        if (is_new(with, column.name) == new_ones) {
            each.sql = placeholder(column.name);
            each.reads = {column.name};
        }
        known.push_back(std::move(each));
    }
    return known;
}

awaitable<resolved_assignment> resolve(workshop& with, std::string text, bool up) {
    const std::string what = (up ? "--up " : "--down ") + text;
    const auto set = plan::parse_assignment(text);
    const auto* column = with.wide.find_column(set.column);
    if (column == nullptr || is_new(with, set.column) != up) {
        refuse(fmt::format("{}: {} is no {} column of {}", what, display_identifier(set.column), up ? "added" : "old",
                           with.source.name.display()),
               up ? "give it with --add" : "--down gives an old column its value");
    }
    const qualified_name like{with.at.job_schema, with.source.name.name};
    const auto found = co_await target::resolve_expression(with.at, like, readable(with, !up), set.expression, what);
    if (found.is_volatile || found.follows_clock) {
        refuse(fmt::format("{}: it may give another value each time it is evaluated", what),
               "both sides would never agree");
    }
    if (found.reads.empty()) {
        refuse(fmt::format("{}: it reads no {} column", what, up ? "old" : "new"));
    }
    resolved_assignment made;
    made.what.column = set.column;
    made.what.expression = found.sql;
    made.what.as_given = set.expression;
    made.reads.assign(found.reads.begin(), found.reads.end());
    made.built_in = found.built_in;
    co_return made;
}

resolved_assignment plain(const std::string& column, const std::string& from) {
    resolved_assignment made;
    made.what.column = column;
    made.what.expression = placeholder(from);
    made.what.as_given = quote_identifier(from);
    made.reads = {from};
    made.plain = true;
    return made;
}

void require_once(const std::vector<resolved_assignment>& all, const char* option) {
    std::set<std::string> seen;
    for (const resolved_assignment& each : all) {
        if (!seen.insert(each.what.column).second) {
            refuse(fmt::format("{} gives column {} twice", option, display_identifier(each.what.column)));
        }
    }
}

column compared(const workshop& with, const std::string& name) {
    const auto* found = with.wide.find_column(name);
    column made;
    made.name = found->name;
    made.type = found->type;
    const auto* old = with.source.find_column(name);
    if (old != nullptr) {
        made.default_value = old->default_expression.value_or("NULL");
        made.default_differs = old->default_is_volatile;
        return made;
    }
    for (const added_column& each : with.made.plan.added) {
        if (each.name == name && !each.default_later) {
            made.default_value = each.default_value.value_or("NULL");
            made.default_differs = found->default_is_volatile && each.default_value.has_value();
        }
    }
    return made;
}

void take(const std::vector<resolved_assignment>& from, const std::vector<std::string>& members,
          std::vector<assignment>& into) {
    for (const resolved_assignment& each : from) {
        if (std::find(members.begin(), members.end(), each.what.column) != members.end()) {
            into.push_back(each.what);
        }
    }
}

constexpr const char* built_in_defaults_sql = R"(
    SELECT coalesce(bool_and({}), true) FROM pg_attrdef d JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
     WHERE d.adrelid IN ($1::bigint::oid, $2::bigint::oid) AND a.attname = ANY ($3::text[]))";

/// A function has no more arguments: OLD and NEW of each column.
constexpr std::size_t most_columns = 50;

/// Whether the expressions can be bound: see spec::bound. A function's arguments have the collations of their types.
awaitable<bool> can_be_bound(workshop& with, std::vector<resolved_assignment> assignments) {
    const auto all_are = [&](bool resolved_assignment::*what) {
        return std::all_of(assignments.begin(), assignments.end(), [&](const auto& each) { return each.*what; });
    };
    const bool plain = all_are(&resolved_assignment::plain);
    bool possible = all_are(&resolved_assignment::built_in);
    std::vector<std::string> defaults;
    for (const group& one : with.made.plan.groups) {
        possible = possible && one.olds.size() + one.news.size() <= most_columns;
        for (const auto* columns : {&one.olds, &one.news}) {
            for (const column& each : *columns) {
                possible = possible && (plain || with.wide.find_column(each.name)->collation.empty());
                if (!each.default_differs) {
                    defaults.push_back(each.name);
                }
            }
        }
    }
    if (!possible) {
        co_return false;
    }
    const std::string names = pg::array_literal(defaults);
    const pg::result row =
        co_await with.at.conn.query(fmt::format(built_in_defaults_sql, catalog::built_in_sql("d.adbin::text")),
                                    with.source.oid, with.wide.oid, names);
    co_return row.boolean(0, 0);
}

std::vector<tie> ties_of(const std::vector<resolved_assignment>& ups, const std::vector<resolved_assignment>& downs) {
    std::vector<tie> ties;
    for (const auto* all : {&ups, &downs}) {
        for (const resolved_assignment& each : *all) {
            ties.push_back({each.what.column, each.reads});
        }
    }
    return ties;
}

}  // namespace

std::vector<std::vector<std::string>> tied_columns(const std::vector<tie>& ties) {
    std::vector<std::vector<std::string>> groups;
    for (const tie& each : ties) {
        std::vector<std::string> joined = each.reads;
        joined.push_back(each.column);
        std::vector<std::vector<std::string>> apart;
        for (auto& group : groups) {
            const bool meets = std::any_of(group.begin(), group.end(), [&](const std::string& name) {
                return std::find(joined.begin(), joined.end(), name) != joined.end();
            });
            if (meets) {
                joined.insert(joined.end(), group.begin(), group.end());
            } else {
                apart.push_back(std::move(group));
            }
        }
        std::sort(joined.begin(), joined.end());
        joined.erase(std::unique(joined.begin(), joined.end()), joined.end());
        apart.push_back(std::move(joined));
        groups = std::move(apart);
    }
    return groups;
}

awaitable<void> plan_groups(workshop& with) {
    std::vector<resolved_assignment> ups;
    std::vector<resolved_assignment> downs;
    for (const auto& [old_name, new_name] : with.renamed) {
        ups.push_back(plain(new_name, old_name));
        downs.push_back(plain(old_name, new_name));
    }
    for (const std::string& each : with.asked.ups) {
        auto made = co_await resolve(with, each, true);
        ups.push_back(std::move(made));
    }
    for (const std::string& each : with.asked.downs) {
        auto made = co_await resolve(with, each, false);
        downs.push_back(std::move(made));
    }
    require_once(ups, "--up");
    require_once(downs, "--down");
    spec& plan = with.made.plan;
    for (const added_column& each : plan.added) {
        const bool filled = std::any_of(ups.begin(), ups.end(),
                                        [&](const resolved_assignment& one) { return one.what.column == each.name; });
        if (!filled) {
            refuse(fmt::format("column {} has no --up: nothing says what it is to be", display_identifier(each.name)),
                   "give --up \"COLUMN = EXPRESSION over the old columns\"");
        }
    }
    for (const resolved_assignment& each : downs) {
        plan.replaced.push_back(each.what.column);
    }
    for (const auto& members : tied_columns(ties_of(ups, downs))) {
        group one;
        for (const std::string& name : members) {
            (is_new(with, name) ? one.news : one.olds).push_back(compared(with, name));
        }
        take(ups, members, one.ups);
        take(downs, members, one.downs);
        if (one.downs.empty()) {
            with.made.warnings.push_back(
                fmt::format("there is no --down for column {}: what is written there does not come to the old columns",
                            display_identifier(one.news.front().name)));
        }
        plan.groups.push_back(std::move(one));
    }
    std::vector<resolved_assignment> all = ups;
    all.insert(all.end(), downs.begin(), downs.end());
    plan.bound = co_await can_be_bound(with, std::move(all));
}

}  // namespace pgeist::expand
