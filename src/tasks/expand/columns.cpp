#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/plan/alter.hpp"
#include "planning.hpp"

namespace pgeist::expand {

namespace {

qualified_name stand_in(const workshop& with) { return {with.at.job_schema, with.source.name.name}; }

std::string type_of(const catalog::column& of) {
    return of.type + (of.collation.empty() ? "" : " COLLATE " + of.collation);
}

/// Has the server read `clause` as the user's session would.
awaitable<void> alter_stand_in(workshop& with, std::string clause, std::string what) {
    std::optional<pg::sql_error> failed;
    co_await with.at.conn.execute(catalog::user_settings(with.at.conn));
    try {
        co_await with.at.conn.execute(fmt::format("ALTER TABLE {} {}", stand_in(with).sql(), clause));
    } catch (const pg::sql_error& problem) {
        failed = problem;
    }
    if (failed && failed->poisons_connection()) {
        throw *failed;
    }
    if (failed) {
        refuse(fmt::format("{}: {}", what, target::in_user_words(with.at, failed->diag().message)),
               failed->diag().hint);
    }
    co_await with.at.conn.execute(catalog::session_settings(with.at.conn));
}

// A domain, and those that it is made of.
constexpr const char* domain_sql = R"(
    WITH RECURSIVE domains AS (
        SELECT t.oid, t.typtype, t.typbasetype, t.typnotnull, t.typdefault FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
         WHERE a.attrelid = $1::bigint::oid AND a.attname = $2
        UNION ALL
        SELECT t.oid, t.typtype, t.typbasetype, t.typnotnull, t.typdefault FROM domains d JOIN pg_type t ON t.oid = d.typbasetype
         WHERE d.typtype = 'd')
    SELECT EXISTS (SELECT FROM domains d WHERE typtype = 'd' AND (typnotnull OR typdefault IS NOT NULL
                   OR EXISTS (SELECT FROM pg_constraint k WHERE k.contypid = d.oid))))";

/// ADD COLUMN must leave the rows alone, and the column NULL in all of them.
awaitable<void> require_light_type(workshop& with, std::string column, std::string what) {
    const pg::result row = co_await with.at.conn.query(domain_sql, with.wide.oid, column);
    if (row.boolean(0, 0)) {
        refuse(what + ": its type is a domain with constraints or a default, for which the server rewrites the table",
               "give the type under the domain, or change the column with pgeist run --alter");
    }
}

awaitable<void> add_as_asked(workshop& with, std::string text) {
    const std::string what = "--add " + text;
    qualified_name table = with.source.name;
    const auto read = plan::parse_alters({"ADD COLUMN " + text}, table);
    if (read.size() != 1 || read[0].clauses.size() != 1 || read[0].clauses[0].kind != plan::clause_kind::add_column) {
        refuse(what + ": that is not one column", "write COLUMN TYPE [DEFAULT …] [NOT NULL]");
    }
    co_await alter_stand_in(with, "ADD COLUMN " + text, what);
    const auto now = co_await catalog::read_shape(with.at.conn, with.wide.oid);
    const catalog::column& made = now.columns.back();
    const bool constrained = std::any_of(now.constraints.begin(), now.constraints.end(), [&](const auto& each) {
        return each.type != 'n' &&
               std::find(each.columns.begin(), each.columns.end(), made.attnum) != each.columns.end();
    });
    const pg::result keys = co_await with.at.conn.query(
        "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = $1::bigint::oid AND contype = 'f') OR EXISTS "
        "(SELECT "
        "FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' WHERE d.classid = "
        "'pg_class'::regclass "
        "AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1::bigint::oid)",
        with.wide.oid);
    co_await require_light_type(with, made.name, what);
    if (made.generated != 0 || made.identity != 0 || constrained || !now.indexes.empty() || keys.boolean(0, 0)) {
        refuse(what + ": only a type, a collation, a DEFAULT and NOT NULL can be given",
               "add constraints afterwards, with pgeist run --alter");
    }
    added_column added;
    added.name = made.name;
    added.definition = type_of(made);
    added.default_value = made.default_expression;
    added.not_null = made.not_null;
    with.made.plan.added.push_back(std::move(added));
}

std::string comment_sql(const workshop& with, const std::string& column, const std::string& text) {
    return fmt::format("COMMENT ON COLUMN {}.{} IS {}", with.source.name.sql(), quote_identifier(column),
                       quote_literal(text));
}

/// @param made the new column as it is on the stand-in
void add_details(const workshop& with, const catalog::column& of, const catalog::column& made, added_column& into) {
    const std::string alter =
        fmt::format("ALTER TABLE {} ALTER COLUMN {} ", with.source.name.sql(), quote_identifier(into.name));
    if (of.comment) {
        into.details.push_back({"comment", comment_sql(with, into.name, *of.comment)});
    }
    if (of.statistics) {
        into.details.push_back({"statistics target", alter + fmt::format("SET STATISTICS {}", *of.statistics)});
    }
    if (!of.options.empty()) {
        into.details.push_back({"options", alter + fmt::format("SET ({})", join(of.options, ", "))});
    }
    static const std::pair<char, const char*> storages[] = {
        {'p', "PLAIN"}, {'e', "EXTERNAL"}, {'m', "MAIN"}, {'x', "EXTENDED"}};
    for (const auto& [letter, word] : storages) {
        if (of.storage == letter && made.storage != letter) {
            into.details.push_back({"storage", alter + fmt::format("SET STORAGE {}", word)});
        }
    }
    if (of.compression != 0) {
        into.details.push_back(
            {"compression", alter + fmt::format("SET COMPRESSION {}", of.compression == 'l' ? "lz4" : "pglz")});
    }
}

awaitable<void> add_renamed(workshop& with, std::string text) {
    const std::string what = "--rename " + text;
    const plan::assignment names = plan::parse_assignment(text);
    const std::string& old_name = names.column;
    const std::string new_name = parse_qualified_name(names.expression).name;
    const auto* column = with.source.find_column(old_name);
    if (column == nullptr) {
        refuse(fmt::format("{}: {} has no column {}", what, with.source.name.display(), display_identifier(old_name)));
    }
    added_column added;
    added.name = new_name;
    added.definition = type_of(*column);
    added.default_value = column->default_expression;
    added.default_later = column->default_is_volatile;
    added.not_null = column->not_null;
    co_await alter_stand_in(with, fmt::format("ADD COLUMN {} {}", quote_identifier(new_name), added.definition), what);
    co_await require_light_type(with, new_name, what);
    const auto now = co_await catalog::read_shape(with.at.conn, with.wide.oid);
    add_details(with, *column, now.columns.back(), added);
    with.renamed.emplace_back(old_name, new_name);
    with.made.plan.added.push_back(std::move(added));
}

}  // namespace

awaitable<void> plan_columns(workshop& with) {
    const std::string name = stand_in(with).sql();
    co_await with.at.conn.execute(fmt::format("CREATE TABLE {} (LIKE {})", name, with.source.name.sql()));
    with.wide.oid = co_await target::table_oid(with.at.conn, stand_in(with));
    for (const std::string& each : with.asked.renames) {
        co_await add_renamed(with, each);
    }
    for (const std::string& each : with.asked.adds) {
        co_await add_as_asked(with, each);
    }
    with.wide = co_await catalog::read_shape(with.at.conn, with.wide.oid);
    with.made.plan.renamed = with.renamed;
}

}  // namespace pgeist::expand
