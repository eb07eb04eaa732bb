#include <fmt/format.h>

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
    SELECT t.oid, t.tgname, pg_get_triggerdef(t.oid) AS definition, t.tgenabled, n.nspname, c.relname,
           obj_description(t.oid, 'pg_trigger') AS comment
      FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE t.oid = $1)";

constexpr const char* rule_sql = R"(
    SELECT r.rulename, pg_get_ruledef(r.oid) AS definition, n.nspname, c.relname
      FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE r.oid = $1)";

qualified_name table_of(const pg::result& rows) { return {rows.text(0, "nspname"), rows.text(0, "relname")}; }

}  // namespace

awaitable<void> rebind_policy(rebinding& what, catalog::bound_object object) {
    co_await require_same_columns(what, "pg_policy", object);
    const auto rows = co_await read_definition(what.at, policy_sql, object.oid);
    const qualified_name table = table_of(rows);
    std::string sql = fmt::format("ALTER POLICY {} ON {}", quote_identifier(rows.text(0, "polname")), table.sql());
    if (const auto expression = rows.optional_text(0, "using_expression")) {
        sql += fmt::format(" USING ({})", *expression);
    }
    if (const auto expression = rows.optional_text(0, "check_expression")) {
        sql += fmt::format(" WITH CHECK ({})", *expression);
    }
    what.into.after_move.push_back({object.name, sql});
    co_await lock_too(what, table, object.name);
}

awaitable<void> rebind_default(rebinding& what, catalog::bound_object object) {
    co_await require_same_columns(what, "pg_attrdef", object);
    const auto rows = co_await read_definition(what.at, default_sql, object.oid);
    if (rows.boolean(0, "generated")) {
        refuse_object(what, object.name, "the expression of a generated column cannot be replaced",
                      "drop the column for the time of the run and make it again afterwards");
    }
    const qualified_name table = table_of(rows);
    what.into.after_move.push_back(
        {object.name, fmt::format("ALTER {} {} ALTER COLUMN {} SET DEFAULT {}",
                                  rows.text(0, "relkind") == "v" ? "VIEW" : "TABLE ONLY", table.sql(),
                                  quote_identifier(rows.text(0, "attname")), rows.text(0, "expression"))});
    co_await lock_too(what, table, object.name);
}

awaitable<void> rebind_trigger(rebinding& what, catalog::bound_object object) {
    co_await require_same_columns(what, "pg_trigger", object);
    const auto rows = co_await read_definition(what.at, trigger_sql, object.oid);
    const qualified_name table = table_of(rows);
    catalog::trigger trigger;
    trigger.name = rows.text(0, "tgname");
    trigger.definition = rows.text(0, "definition");
    trigger.enabled = rows.text(0, "tgenabled").at(0);
    trigger.comment = rows.optional_text(0, "comment");
    catalog::table of;
    of.printed_name = table.sql();
    what.into.before_move.push_back(
        {object.name, fmt::format("DROP TRIGGER {} ON {}", quote_identifier(trigger.name), table.sql())});
    for (auto& each : create_trigger(of, trigger, table)) {
        what.into.after_move.push_back(std::move(each));
    }
    co_await lock_too(what, table, object.name);
}

awaitable<void> rebind_rule(rebinding& what, catalog::bound_object object) {
    co_await require_same_columns(what, "pg_rewrite", object);
    const auto rows = co_await read_definition(what.at, rule_sql, object.oid);
    std::string sql = rows.text(0, "definition");
    sql.erase(sql.find_last_not_of("; \n") + 1);
    sql.replace(0, std::string("CREATE").size(), "CREATE OR REPLACE");
    what.into.after_move.push_back({object.name, sql});
    const qualified_name table = table_of(rows);
    co_await lock_too(what, table, object.name);
}

}  // namespace pgeist::shadow
