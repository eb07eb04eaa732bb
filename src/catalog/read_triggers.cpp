#include <fmt/format.h>

#include "pgeist/catalog/operators.hpp"
#include "pgeist/catalog/reader.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* triggers_sql = R"(
    SELECT t.oid, t.tgname, pg_get_triggerdef(t.oid) AS definition, t.tgenabled,
           obj_description(t.oid, 'pg_trigger') AS comment,
           obj_description(nullif(t.tgconstraint, 0), 'pg_constraint') AS constraint_comment,
           {operator_schemas} AS operator_schemas, {operators} AS operators, {extensions} AS extensions,
           CASE WHEN t.tgname ~ '^~*pgeist_' AND n.nspname ~ '^pgeist_[0-9]+(_back|_again)?$' THEN n.nspname END AS job_schema
      FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE t.tgrelid = $1 AND NOT t.tgisinternal AND t.tgparentid = 0 ORDER BY t.tgname COLLATE "C")";

// Servers before 15 mark clones as internal, as the triggers of foreign keys are.
constexpr const char* inherited_sql = R"(
    SELECT t.tgname, t.tgenabled, p.tgenabled AS parent_enabled, obj_description(t.oid, 'pg_trigger') AS comment
      FROM pg_trigger t JOIN pg_trigger p ON p.oid = t.tgparentid
     WHERE t.tgrelid = $1 AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.oid = t.tgconstraint AND c.contype <> 't' OFFSET 0)
     ORDER BY t.tgname COLLATE "C")";

}  // namespace

awaitable<void> read_triggers(pg::inquiry& ask, table& into) {
    std::string sql = fmt::format(triggers_sql, fmt::arg("operator_schemas", operator_schemas_sql("t.tgqual::text")),
                                  fmt::arg("operators", used_operators_sql("t.tgqual::text")),
                                  fmt::arg("extensions", extensions_sql("pg_trigger", "t.oid")));
    const auto rows = co_await ask.ask(std::move(sql), into.oid);
    for (int row = 0; row < rows.rows(); ++row) {
        if (const auto job_schema = rows.optional_text(row, "job_schema")) {
            into.pgeist_triggers.push_back(*job_schema);
            continue;
        }
        trigger each;
        each.oid = rows.integer(row, "oid");
        each.name = rows.text(row, "tgname");
        each.definition = rows.text(row, "definition");
        each.operator_schemas = rows.array(row, "operator_schemas");
        each.operators = rows.array(row, "operators");
        each.extensions = rows.array(row, "extensions");
        each.constraint_comment = rows.optional_text(row, "constraint_comment");
        each.enabled = read_char(rows, row, "tgenabled");
        each.comment = rows.optional_text(row, "comment");
        into.triggers.push_back(std::move(each));
    }
    const auto clones = co_await ask.ask(inherited_sql, into.oid);
    for (int row = 0; row < clones.rows(); ++row) {
        inherited_trigger each;
        each.name = clones.text(row, "tgname");
        each.enabled = read_char(clones, row, "tgenabled");
        each.parent_enabled = read_char(clones, row, "parent_enabled");
        each.comment = clones.optional_text(row, "comment");
        into.inherited_triggers.push_back(std::move(each));
    }
}

awaitable<std::vector<trigger>> triggers_of(pg::connection& conn, std::int64_t relation) {
    table holder;
    holder.oid = relation;
    pg::inquiry ask(conn, std::vector<std::int64_t>(1, relation));
    co_await read_triggers(ask, holder);
    co_return holder.triggers;
}

}  // namespace pgeist::catalog
