#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "rebind.hpp"
#include "sql.hpp"

// Parts of other tables that refer to this one: policies, defaults, triggers, rules. Each is replaced in place, which
// keeps its identity, state and comment where PostgreSQL has a command for that.
namespace pgeist::shadow {

namespace {

constexpr const char* policy_sql = R"(
    SELECT p.polname, n.nspname, c.relname, pg_get_expr(p.polqual, p.polrelid) AS using_expression,
           pg_get_expr(p.polwithcheck, p.polrelid) AS check_expression
      FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE p.oid = $1)";

constexpr const char* default_sql = R"(
    SELECT n.nspname, c.relname, a.attname, pg_get_expr(d.adbin, d.adrelid) AS expression, a.attgenerated <> '' AS generated,
           c.relkind
      FROM pg_attrdef d JOIN pg_class c ON c.oid = d.adrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum
     WHERE d.oid = $1)";

constexpr const char* trigger_sql = R"(
    SELECT t.tgrelid, n.nspname, c.relname, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS printed, c.relkind,
           t.tgfoid::regprocedure::text AS function, has_function_privilege(t.tgfoid, 'EXECUTE') AS may_execute
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE t.oid = $1)";

constexpr const char* rule_sql = R"(
    SELECT r.rulename, pg_get_ruledef(r.oid) AS definition, n.nspname, c.relname,
           quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS printed
      FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE r.oid = $1)";

qualified_name table_of(const pg::result& rows) { return {rows.text(0, "nspname"), rows.text(0, "relname")}; }

/// Where an empty copy of the table stands while something on it is tried.
qualified_name copy_of(const rebinding& what, const qualified_name& table) {
    return {what.at.job_schema + "_try", table.name};
}

/// Reads the text again on a copy of the table it belongs to, as the swap will: `sql` makes it on the copy, `tree` is
/// what is stored then. Tables that it reads are the real ones; of theirs nothing but definitions is read.
awaitable<void> require_reading_again(rebinding& what, std::string name, qualified_name table,
                                      catalog::used_operators wanted, std::string sql, std::string tree) {
    if (wanted.oids.empty()) {
        co_return;
    }
    const qualified_name copy = copy_of(what, table);
    co_await begin_trial(what.at);
    co_await what.at.conn.execute(fmt::format("CREATE SCHEMA {}; CREATE TABLE {} (LIKE {})",
                                              quote_identifier(copy.schema), copy.sql(), table.sql()));
    co_await try_with(what, name, with_schemas("pg_catalog", wanted.schemas), std::move(sql));
    const auto found = co_await catalog::read_operators(what.at.conn, std::move(tree));
    co_await require_same_operators(what, name, wanted, found);
    co_await undo_trial(what.at);
}

}  // namespace

awaitable<void> rebind_policy(rebinding& what, catalog::bound_object object) {
    co_await require_same_columns(what, "pg_policy", object);
    const auto rows = co_await read_definition(what.at, policy_sql, object.oid);
    const qualified_name table = table_of(rows);
    const std::string name = rows.text(0, "polname");
    co_await lock_too(what, table, object.name);
    std::string expressions;
    if (const auto expression = rows.optional_text(0, "using_expression")) {
        expressions += fmt::format(" USING ({})", *expression);
    }
    if (const auto expression = rows.optional_text(0, "check_expression")) {
        expressions += fmt::format(" WITH CHECK ({})", *expression);
    }
    const std::string tree = catalog::trees::of_policy(table, name);
    const auto used = co_await catalog::read_operators(what.at.conn, tree);
    const qualified_name copy = copy_of(what, table);
    co_await require_reading_again(
        what, object.name, table, used,
        fmt::format("CREATE POLICY {} ON {}{}", quote_identifier(name), copy.sql(), expressions),
        catalog::trees::of_policy(copy, name));
    what.into.after_move.push_back(
        {object.name, with_operators(used.schemas, fmt::format("ALTER POLICY {} ON {}{}", quote_identifier(name),
                                                               table.sql(), expressions))});
    expect_operators(what, object.name, tree, used);
}

awaitable<void> rebind_default(rebinding& what, catalog::bound_object object) {
    co_await require_same_columns(what, "pg_attrdef", object);
    const auto rows = co_await read_definition(what.at, default_sql, object.oid);
    if (rows.boolean(0, "generated")) {
        refuse_object(what, object.name, "the expression of a generated column cannot be replaced",
                      "drop the column for the time of the run and make it again afterwards");
    }
    const qualified_name table = table_of(rows);
    const std::string column = rows.text(0, "attname");
    co_await lock_too(what, table, object.name);
    const std::string tree = catalog::trees::of_default(table, column);
    const auto used = co_await catalog::read_operators(what.at.conn, tree);
    const std::string set =
        fmt::format(" ALTER COLUMN {} SET DEFAULT {}", quote_identifier(column), rows.text(0, "expression"));
    const qualified_name copy = copy_of(what, table);
    co_await require_reading_again(what, object.name, table, used, fmt::format("ALTER TABLE {}{}", copy.sql(), set),
                                   catalog::trees::of_default(copy, column));
    const char* kind = rows.text(0, "relkind") == "v" ? "VIEW" : "TABLE ONLY";
    what.into.after_move.push_back(
        {object.name, with_operators(used.schemas, fmt::format("ALTER {} {}{}", kind, table.sql(), set))});
    expect_operators(what, object.name, tree, used);
}

awaitable<void> rebind_trigger(rebinding& what, catalog::bound_object object) {
    co_await require_same_columns(what, "pg_trigger", object);
    const auto rows = co_await read_definition(what.at, trigger_sql, object.oid);
    if (!rows.boolean(0, "may_execute")) {
        refuse_object(what, object.name, "you may not execute its function",
                      fmt::format("GRANT EXECUTE ON FUNCTION {} TO {}", rows.text(0, "function"),
                                  quote_identifier(what.at.conn.user())));
    }
    const qualified_name table = table_of(rows);
    co_await lock_too(what, table, object.name);
    co_await what.at.conn.execute(catalog::reading_settings);
    const auto all = co_await catalog::triggers_of(what.at.conn, rows.integer(0, "tgrelid"));
    co_await what.at.conn.execute(catalog::session_settings(what.at.conn));
    const auto found =
        std::find_if(all.begin(), all.end(), [&](const catalog::trigger& each) { return each.oid == object.oid; });
    if (found == all.end()) {
        throw error(exit_code::failed, "a trigger was dropped while its definition was read", "try again");
    }
    catalog::table of;
    of.printed_name = rows.text(0, "printed");
    const std::string tree = catalog::trees::of_trigger(table, found->name);
    const auto used = co_await catalog::read_operators(what.at.conn, tree);
    const qualified_name copy = copy_of(what, table);
    std::string create = create_trigger(of, *found, copy).front().sql;
    co_await require_reading_again(what, object.name, table, used, std::move(create),
                                   catalog::trees::of_trigger(copy, found->name));
    what.into.before_move.push_back(
        {object.name, fmt::format("DROP TRIGGER {} ON {}", quote_identifier(found->name), table.sql())});
    for (auto& each : create_trigger(of, *found, table)) {
        what.into.after_move.push_back(std::move(each));
    }
    expect_operators(what, object.name, tree, used);
}

awaitable<void> rebind_rule(rebinding& what, catalog::bound_object object) {
    co_await require_same_columns(what, "pg_rewrite", object);
    const auto rows = co_await read_definition(what.at, rule_sql, object.oid);
    const qualified_name table = table_of(rows);
    const std::string name = rows.text(0, "rulename");
    co_await lock_too(what, table, object.name);
    std::string sql = rows.text(0, "definition");
    sql.erase(sql.find_last_not_of("; \n") + 1);
    const std::string tree = catalog::trees::of_rule(table, name);
    const auto used = co_await catalog::read_operators(what.at.conn, tree);
    const qualified_name copy = copy_of(what, table);
    co_await require_reading_again(what, object.name, table, used,
                                   catalog::retarget(sql, rows.text(0, "printed"), copy.sql(), "TO"),
                                   catalog::trees::of_rule(copy, name));
    sql.replace(0, std::string("CREATE").size(), "CREATE OR REPLACE");
    what.into.after_move.push_back({object.name, with_operators(used.schemas, std::move(sql))});
    expect_operators(what, object.name, tree, used);
}

}  // namespace pgeist::shadow
