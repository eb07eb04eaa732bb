#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/sql/table.hpp"
#include "pgeist/sql/trigger.hpp"
#include "rebinding.hpp"

// Parts of other tables that refer to this one: policies, defaults, triggers, rules. Each is replaced in place, which
// keeps its identity, state and comment where PostgreSQL has a command for that.
namespace pgeist::dependents {

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
           quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS printed, quote_ident(c.relname) AS printed_name
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

/// A policy or rule of another table, whose text follows the columns that it reads.
struct follower {
    std::string name;
    std::int64_t oid = 0;
    qualified_name table;
    catalog::used_operators used;
    std::string deparser;
    /// What makes it on the table, of what the deparser has printed.
    std::function<std::string(const std::string& printed, const qualified_name& target)> create;
    std::string made_oid;  ///< SQL for the OID of what was made on the copy
    std::string made_tree;
};

follower make_follower(const catalog::bound_object& object, const qualified_name& table,
                       const catalog::used_operators& used) {
    follower one;
    one.name = object.name;
    one.oid = object.oid;
    one.table = table;
    one.used = used;
    return one;
}

std::string make_copy(const qualified_name& copy, const qualified_name& table) {
    return fmt::format("CREATE SCHEMA {}; CREATE TABLE {} (LIKE {})", quote_identifier(copy.schema), copy.sql(),
                       table.sql());
}

/// Its definition, by its OID, which it keeps.
std::string asked_of(const follower& one) {
    const std::string oid = fmt::format("{}::pg_catalog.oid", one.oid);
    std::string query = one.deparser;
    const auto parameter = query.find("$1::pg_catalog.oid");
    if (parameter == std::string::npos) {
        return fmt::format("SELECT {}({})", one.deparser, oid);
    }
    return query.replace(parameter, std::string("$1::pg_catalog.oid").size(), oid);
}

/// Tries it on a copy of its table, reading the shadow. @returns what the deparser prints of it then, as it must read
/// in the swap; leaves in `one` the operators that it uses
awaitable<std::string> follow_to_shadow(rebinding& what, follower& one) {
    build_context& at = what.at;
    const qualified_name copy = copy_of(what, one.table);
    const std::string frame = make_copy(copy, one.table);
    std::string text = co_await printed(at, home_path(at), one.deparser, one.oid);
    plan::led_text before;
    before.object = one.name;
    before.text = text;
    before.schemas = one.used.schemas;
    before.asked = asked_of(one);
    const bool as_before = co_await take_text_of_before(what, before);
    if (as_before) {
        text = before.text;
        one.used.schemas = before.schemas;
    } else if (renames_columns(what)) {
        std::string create = frame + "; " + one.create(text, copy);
        text = co_await printed_with_new_names(what, one.name, one.used.schemas, std::move(create), one.deparser,
                                               one.made_oid);
    }
    co_await begin_trial(at);
    co_await at.conn.execute(frame);
    co_await try_with(what, one.name, with_schemas(shadow_path(at), one.used.schemas), one.create(text, copy));
    const auto found = co_await catalog::read_operators(at.conn, one.made_tree);
    if (!what.retyped) {
        co_await require_same_operators(what, one.name, one.used, found);
    }
    const auto made = co_await at.conn.query(fmt::format("SELECT {}::oid::bigint", one.made_oid));
    std::string on_shadow = co_await printed(at, "pg_catalog", one.deparser, made.integer(0, 0));
    co_await undo_trial(at);

    // As the swap will read it.
    co_await begin_trial(at);
    co_await at.conn.execute(frame);
    co_await try_with(what, one.name, with_schemas("pg_catalog", found.schemas), one.create(on_shadow, copy));
    const auto again = co_await catalog::read_operators(at.conn, one.made_tree);
    co_await require_same_operators(what, one.name, found, again);
    co_await undo_trial(at);
    one.used = found;
    co_return moved_home(at, on_shadow);
}

constexpr const char* expressions_of_policy = R"(
    SELECT pg_catalog.concat(
               CASE WHEN p.polqual IS NOT NULL
                    THEN pg_catalog.concat(' USING (', pg_catalog.pg_get_expr(p.polqual, p.polrelid), ')') END,
               CASE WHEN p.polwithcheck IS NOT NULL
                    THEN pg_catalog.concat(' WITH CHECK (', pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), ')') END)
      FROM pg_catalog.pg_policy p WHERE p.oid OPERATOR(pg_catalog.=) $1::pg_catalog.oid)";

awaitable<std::string> policy_on_shadow(rebinding& what, follower& one, std::string policy) {
    const qualified_name copy = copy_of(what, one.table);
    const std::string quoted = quote_identifier(policy);
    one.deparser = expressions_of_policy;
    one.create = [&](const std::string& expressions, const qualified_name& target) {
        return fmt::format("CREATE POLICY {} ON {}{}", quoted, target.sql(), expressions);
    };
    one.made_oid =
        fmt::format("(SELECT oid FROM pg_catalog.pg_policy WHERE polrelid = {}::pg_catalog.regclass AND polname = {})",
                    quote_literal(copy.sql()), quote_literal(policy));
    one.made_tree = catalog::trees::of_policy(copy, policy);
    co_return co_await follow_to_shadow(what, one);
}

awaitable<std::string> rule_on_shadow(rebinding& what, follower& one, std::string rule, const pg::result& rows) {
    const qualified_name copy = copy_of(what, one.table);
    const std::string printed = rows.text(0, "printed");
    const std::string printed_copy = copy.schema + "." + rows.text(0, "printed_name");
    one.deparser = "pg_catalog.pg_get_ruledef";
    // The server always prints the rule's own table with its schema.
    one.create = [&](const std::string& definition, const qualified_name& target) {
        const std::string of_copy = catalog::retarget(definition, printed_copy, target.sql(), "TO");
        return catalog::retarget(of_copy, printed, target.sql(), "TO");
    };
    one.made_oid = fmt::format(
        "(SELECT oid FROM pg_catalog.pg_rewrite WHERE ev_class = {}::pg_catalog.regclass AND rulename = {})",
        quote_literal(copy.sql()), quote_literal(rule));
    one.made_tree = catalog::trees::of_rule(copy, rule);
    const std::string definition = co_await follow_to_shadow(what, one);
    co_return one.create(definition, one.table);
}

/// A rule of the source itself that reads the source would have to follow both.
bool is_source(const rebinding& what, const qualified_name& table) {
    return table.schema == what.at.source.name.schema && table.name == what.at.source.name.name;
}

}  // namespace

awaitable<void> rebind_policy(rebinding& what, catalog::bound_object object) {
    co_await require_none_dropped(what, "pg_policy", object);
    const bool follows = co_await uses_changed_columns(what, "pg_policy", object);
    const auto rows = co_await read_definition(what.at, policy_sql, object.oid);
    const qualified_name table = table_of(rows);
    const std::string name = rows.text(0, "polname");
    plan::swap_lock lock = co_await lock_of(what, table, object.name);
    std::string expressions;
    if (const auto expression = rows.optional_text(0, "using_expression")) {
        expressions += fmt::format(" USING ({})", *expression);
    }
    if (const auto expression = rows.optional_text(0, "check_expression")) {
        expressions += fmt::format(" WITH CHECK ({})", *expression);
    }
    const std::string tree = catalog::trees::of_policy(table, name);
    auto used = co_await catalog::read_operators(what.at.conn, tree);
    const qualified_name copy = copy_of(what, table);
    co_await require_reading_again(
        what, object.name, table, used,
        fmt::format("CREATE POLICY {} ON {}{}", quote_identifier(name), copy.sql(), expressions),
        catalog::trees::of_policy(copy, name));
    if (follows) {
        follower one = make_follower(object, table, used);
        expressions = co_await policy_on_shadow(what, one, name);
        used = one.used;
    }
    plan::swap_step& step = what.into.swap.add(
        plan::stage::attach,
        {object.name, with_operators(used.schemas, fmt::format("ALTER POLICY {} ON {}{}", quote_identifier(name),
                                                               table.sql(), expressions))});
    step.locks.push_back(std::move(lock));
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
    plan::swap_lock lock = co_await lock_of(what, table, object.name);
    const std::string tree = catalog::trees::of_default(table, column);
    const auto used = co_await catalog::read_operators(what.at.conn, tree);
    const std::string set =
        fmt::format(" ALTER COLUMN {} SET DEFAULT {}", quote_identifier(column), rows.text(0, "expression"));
    const qualified_name copy = copy_of(what, table);
    co_await require_reading_again(what, object.name, table, used, fmt::format("ALTER TABLE {}{}", copy.sql(), set),
                                   catalog::trees::of_default(copy, column));
    const char* kind = rows.text(0, "relkind") == "v" ? "VIEW" : "TABLE ONLY";
    plan::swap_step& step = what.into.swap.add(
        plan::stage::attach,
        {object.name, with_operators(used.schemas, fmt::format("ALTER {} {}{}", kind, table.sql(), set))});
    step.locks.push_back(std::move(lock));
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
    plan::swap_lock lock = co_await lock_of(what, table, object.name);
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
    plan::swap_step& drop = what.into.swap.add(
        plan::stage::detach,
        {object.name, fmt::format("DROP TRIGGER {} ON {}", quote_identifier(found->name), table.sql())});
    drop.locks.push_back(std::move(lock));
    what.into.swap.add_all(plan::stage::attach, create_trigger(of, *found, table));
    expect_operators(what, object.name, tree, used);
}

awaitable<void> rebind_rule(rebinding& what, catalog::bound_object object) {
    co_await require_none_dropped(what, "pg_rewrite", object);
    const bool follows = co_await uses_changed_columns(what, "pg_rewrite", object);
    const auto rows = co_await read_definition(what.at, rule_sql, object.oid);
    const qualified_name table = table_of(rows);
    if (is_source(what, table)) {
        co_await require_same_columns(what, "pg_rewrite", object);
    }
    const std::string name = rows.text(0, "rulename");
    plan::swap_lock lock = co_await lock_of(what, table, object.name);
    std::string sql = rows.text(0, "definition");
    sql.erase(sql.find_last_not_of("; \n") + 1);
    const std::string tree = catalog::trees::of_rule(table, name);
    auto used = co_await catalog::read_operators(what.at.conn, tree);
    const qualified_name copy = copy_of(what, table);
    co_await require_reading_again(what, object.name, table, used,
                                   catalog::retarget(sql, rows.text(0, "printed"), copy.sql(), "TO"),
                                   catalog::trees::of_rule(copy, name));
    if (follows) {
        follower one = make_follower(object, table, used);
        sql = co_await rule_on_shadow(what, one, name, rows);
        used = one.used;
    }
    sql.replace(0, std::string("CREATE").size(), "CREATE OR REPLACE");
    plan::swap_step& step =
        what.into.swap.add(plan::stage::attach, {object.name, with_operators(used.schemas, std::move(sql))});
    step.locks.push_back(std::move(lock));
    expect_operators(what, object.name, tree, used);
}

}  // namespace pgeist::dependents
