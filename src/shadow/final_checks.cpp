#include <fmt/format.h>

#include "binding.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/pg/result.hpp"
#include "steps.hpp"

namespace pgeist::shadow {

namespace {

// Relations of the source's schema that keep their place when the tables change theirs.
constexpr const char* taken_names_sql = R"(
    SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = $1 AND c.relname = ANY ($2::text[]) AND c.oid <> $3
       AND NOT EXISTS (SELECT FROM pg_index i WHERE i.indexrelid = c.oid AND i.indrelid = $3)
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                          AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $3 AND d.deptype = 'i')
     ORDER BY c.relname)";

}  // namespace

awaitable<void> check_copy_statement(site& at, const plan::blueprint& plan) {
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

void check_persistence(const site& at, const catalog::table& after) {
    if (after.persistence != at.source.persistence) {
        throw error(
            exit_code::refused,
            fmt::format("{} cannot be made {} while it is in use", at.source.name.display(),
                        after.persistence == 'u' ? "unlogged" : "logged"),
            "a crash of the server would empty one of the two tables and not the other; use ALTER TABLE ... SET "
            "LOGGED or SET UNLOGGED itself");
    }
}

void check_foreign_key_triggers(const site& at, const catalog::table& after) {
    for (const auto* keys : {&after.foreign_keys, &after.referenced_by}) {
        for (const auto& key : *keys) {
            if (!key.trigger_states.empty()) {
                throw error(
                    exit_code::refused,
                    fmt::format("the triggers of foreign key {} would be disabled, which is lost when the key is "
                                "led to the new {}",
                                display_identifier(key.name), at.source.name.display()),
                    "disable the triggers by name, or ALTER TABLE … DISABLE TRIGGER ALL after the run");
            }
        }
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

void check_bindings(const site& at, const catalog::table& after) {
    for (const auto& each : at.source.indexes) {
        if (is_bound(at.source, each) && must_be_younger(at.source, each) && after.find_index(each.name) != nullptr) {
            throw error(exit_code::refused,
                        fmt::format("foreign keys refer to the same columns of {} by index {} and by another one",
                                    at.source.name.display(), display_identifier(each.name)),
                        "PostgreSQL would bind all of them to one; drop one of the unique constraints and its keys");
        }
    }
}

awaitable<void> check_names(site& at, const catalog::table& after) {
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
                    "give the new index, constraint or sequence another name in the ALTER");
    }
}

}  // namespace pgeist::shadow
