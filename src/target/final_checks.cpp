#include <algorithm>

#include <fmt/format.h>

#include "binding.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/pg/result.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

// Relations of the source's schema that keep their place when the tables change theirs.
constexpr const char* taken_names_sql = R"(
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]) AND c.oid <> $3
       AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND i.indrelid = $3)
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $3 AND d.deptype = 'i')
     ORDER BY c.relname)";

constexpr const char* taken_type_sql = R"(
    SELECT EXISTS (SELECT FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace
                    WHERE n.nspname = $1 AND y.typname = $2
                      AND y.oid <> (SELECT r.typarray FROM pg_class c JOIN pg_type r ON r.oid = c.reltype WHERE c.oid = $3)))";

bool is_sequence(const catalog::table& after, const std::string& name) {
    return std::any_of(after.sequences.begin(), after.sequences.end(),
                       [&](const catalog::sequence& each) { return each.name.name == name; });
}

/// The user may give every name in the ALTER but that of a serial column's sequence.
std::string how_to_name(const catalog::table& after, const std::string& name) {
    return is_sequence(after, name) ? "give the new sequence a name of its own: GENERATED … AS IDENTITY (SEQUENCE NAME "
                                      "…), instead of serial "
                                      "too"
                                    : "give the new index or constraint another name in the ALTER";
}

awaitable<void> check_array_type(build_context& at, const catalog::table& after) {
    const auto row = co_await at.conn.query(taken_type_sql, at.source.name.schema, after.array_type, at.source.oid);
    if (row.boolean(0, 0)) {
        throw error(exit_code::refused,
                    fmt::format("the array type of the new {} would be called {}, but that name is taken in schema {}",
                                at.source.name.display(), display_identifier(after.array_type),
                                display_identifier(at.source.name.schema)),
                    "rename the other type for the time of the run");
    }
}

}  // namespace

awaitable<void> check_new_owner(build_context& at, const catalog::table& after) {
    if (after.owner == at.source.owner) {
        co_return;
    }
    const auto row = co_await at.conn.query(
        "SELECT rolsuper OR has_schema_privilege($1::name, $2, 'CREATE') FROM pg_roles WHERE rolname = current_user",
        after.owner, at.source.name.schema);
    if (!row.boolean(0, 0)) {
        throw error(exit_code::refused,
                    fmt::format("the new owner {} has no right to create tables in schema {}",
                                display_identifier(after.owner), display_identifier(at.source.name.schema)),
                    fmt::format("GRANT CREATE ON SCHEMA {} TO {}", quote_identifier(at.source.name.schema),
                                quote_identifier(after.owner)));
    }
}

awaitable<void> check_copy_statement(build_context& at, const plan::blueprint& plan) {
    std::vector<std::string> names;
    std::vector<std::string> expressions;
    for (const auto& column : plan.columns) {
        if (column.expression) {
            names.push_back(quote_identifier(column.name));
            expressions.push_back(*column.expression);
        }
    }
    std::optional<pg::sql_error> failed;
    try {
        co_await at.conn.execute(
            fmt::format("EXPLAIN INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM ONLY {}", at.shadow.sql(),
                        join(names, ", "), join(expressions, ", "), at.source.name.sql()));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    if (failed) {
        throw error(exit_code::refused,
                    fmt::format("the rows of {} cannot be converted: {}", at.source.name.display(),
                                in_user_words(at, failed->diag().message)),
                    failed->diag().hint);
    }
}

void check_persistence(const build_context& at, const catalog::table& after) {
    if (after.persistence != at.source.persistence) {
        throw error(
            exit_code::refused,
            fmt::format("{} cannot be made {} while it is in use", at.source.name.display(),
                        after.persistence == 'u' ? "unlogged" : "logged"),
            "a crash of the server would empty one of the two tables and not the other; use ALTER TABLE ... SET "
            "LOGGED or SET UNLOGGED itself");
    }
}

void check_deferred_checks(const catalog::table& after) {
    for (const auto& each : after.constraints) {
        if (each.recheck_disabled) {
            throw error(exit_code::refused,
                        fmt::format("the trigger of deferrable constraint {} would be disabled, which is lost when its "
                                    "index is built anew",
                                    display_identifier(each.name)),
                        "disable the triggers by name, or ALTER TABLE … DISABLE TRIGGER ALL after the run");
        }
    }
}

void check_bindings(const build_context& at, const catalog::table& after) {
    for (const auto& each : at.source.indexes) {
        if (is_bound(at.source, each) && must_be_younger(at.source, each) && after.find_index(each.name) != nullptr) {
            throw error(exit_code::refused,
                        fmt::format("foreign keys refer to the same columns of {} by index {} and by another one",
                                    at.source.name.display(), display_identifier(each.name)),
                        "PostgreSQL would bind all of them to one; drop one of the unique constraints and its keys");
        }
    }
}

awaitable<void> check_names(build_context& at, const catalog::table& after) {
    std::vector<std::string> names;
    for (const auto& each : after.indexes) {
        names.push_back(each.name);
    }
    for (const auto& each : after.sequences) {
        names.push_back(each.name.name);
    }
    const auto rows =
        co_await at.conn.query(taken_names_sql, at.source.name.schema, pg::array_literal(names), at.source.oid);
    if (!rows.empty()) {
        throw error(exit_code::refused,
                    fmt::format("the new table would have {}, but that name is taken in schema {}",
                                display_identifier(rows.view(0, 0)), display_identifier(at.source.name.schema)),
                    how_to_name(after, rows.text(0, 0)));
    }
    co_await check_array_type(at, after);
}

}  // namespace pgeist::target
