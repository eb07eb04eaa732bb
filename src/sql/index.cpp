#include "pgeist/sql/index.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/sql/table.hpp"

namespace pgeist::sql {

namespace {

const catalog::constraint* constraint_of(const catalog::table& of, const catalog::index& each) {
    for (const auto& constraint : of.constraints) {
        if (constraint.index == each.name &&
            (constraint.type == 'p' || constraint.type == 'u' || constraint.type == 'x')) {
            return &constraint;
        }
    }
    return nullptr;
}

/// pg_get_indexdef leaves the tablespace out; it stands before WHERE.
std::string with_tablespace(const std::string& definition, const catalog::index& each) {
    if (each.tablespace.empty()) {
        return definition;
    }
    const std::string clause = " TABLESPACE " + quote_identifier(each.tablespace);
    const std::string where = each.predicate ? " WHERE " + *each.predicate : std::string();
    if (definition.size() < where.size() || definition.substr(definition.size() - where.size()) != where) {
        return definition;
    }
    return definition.substr(0, definition.size() - where.size()) + clause + where;
}

std::string deferral(const catalog::constraint& constraint) {
    if (!constraint.deferrable) {
        return "";
    }
    return constraint.deferred ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE";
}

/// WITHOUT OVERLAPS and EXCLUDE cannot take over an index that is there already.
bool makes_its_index(const catalog::constraint& constraint) { return constraint.type == 'x' || constraint.period; }

/// The constraint's definition with its index's storage parameters, which pg_get_constraintdef prints for EXCLUDE only;
/// they stand before DEFERRABLE.
std::string with_options(const catalog::constraint& constraint, const catalog::index& each) {
    if (constraint.type == 'x' || each.options.empty()) {
        return constraint.definition;
    }
    const std::string tail = deferral(constraint);
    const std::string head = constraint.definition.substr(0, constraint.definition.size() - tail.size());
    return fmt::format("{} WITH ({}){}", head, option_list(each.options), tail);
}

void add_constraint_steps(index& into, const catalog::constraint& constraint, const catalog::index& each,
                          const qualified_name& target) {
    const std::string name = quote_identifier(constraint.name);
    const std::string label = "constraint " + display_identifier(constraint.name);
    if (makes_its_index(constraint)) {
        into.create_sql.clear();
        into.exclusive = true;
        into.after.push_back({label, with_operators(each.operator_schemas,
                                                    fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {}", target.sql(),
                                                                name, with_options(constraint, each)))});
        if (!into.tablespace.empty()) {
            into.after.push_back(
                {label, fmt::format("ALTER INDEX {} SET TABLESPACE {}", qualified_name{target.schema, into.name}.sql(),
                                    quote_identifier(into.tablespace))});
        }
    } else {
        into.after.push_back({label, fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {} USING INDEX {}{}", target.sql(),
                                                 name, constraint.type == 'p' ? "PRIMARY KEY" : "UNIQUE",
                                                 quote_identifier(into.name), deferral(constraint))});
    }
    if (constraint.comment) {
        into.after.push_back(comment_on(fmt::format("CONSTRAINT {} ON {}", name, target.sql()), *constraint.comment));
    }
}

}  // namespace

std::string create_index(const catalog::table& of, const catalog::index& each, const qualified_name& target) {
    return with_tablespace(catalog::retarget(each.definition, of.printed_name, target.sql()), each);
}

index rebuild_index(const catalog::table& of, const catalog::index& each, const qualified_name& target) {
    index into;
    const std::string name = quote_identifier(each.name);
    const std::string qualified = qualified_name{target.schema, each.name}.sql();
    const std::string label = "index " + display_identifier(each.name);
    into.name = each.name;
    into.tablespace = each.tablespace;
    into.source_bytes = each.bytes;
    into.create_sql = with_operators(each.operator_schemas, create_index(of, each, target));
    if (const auto* constraint = constraint_of(of, each)) {
        add_constraint_steps(into, *constraint, each, target);
    }
    for (std::size_t place = 0; place < each.columns.size(); ++place) {
        if (each.columns[place].statistics) {
            into.after.push_back({label, fmt::format("ALTER INDEX {} ALTER COLUMN {} SET STATISTICS {}", qualified,
                                                     place + 1, *each.columns[place].statistics)});
        }
    }
    if (each.comment) {
        into.after.push_back(comment_on("INDEX " + qualified, *each.comment));
    }
    for (const auto& extension : each.extensions) {
        into.after.push_back(
            {label, fmt::format("ALTER INDEX {} DEPENDS ON EXTENSION {}", qualified, quote_identifier(extension))});
    }
    if (each.clustered) {
        into.after.push_back({label, fmt::format("ALTER TABLE {} CLUSTER ON {}", target.sql(), name)});
    }
    if (each.replica_identity) {
        into.after.push_back(
            {label, fmt::format("ALTER TABLE {} REPLICA IDENTITY USING INDEX {}", target.sql(), name)});
    }
    return into;
}

pg::statement drop_index(const catalog::table& of, const catalog::index& each, const qualified_name& target) {
    const std::string label = "index " + display_identifier(each.name);
    if (const auto* constraint = constraint_of(of, each)) {
        return {label,
                fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", target.sql(), quote_identifier(constraint->name))};
    }
    return {label, fmt::format("DROP INDEX {}", qualified_name{target.schema, each.name}.sql())};
}

}  // namespace pgeist::sql
