#include <fmt/format.h>

#include "pgeist/catalog/operators.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* constraints_sql = R"(
    SELECT c.oid, c.conname, c.contype, pg_get_constraintdef(c.oid) AS definition, c.convalidated, {enforced} AS enforced,
           {period} AS period, c.condeferrable, c.condeferred, c.conislocal, c.coninhcount,
           {operator_schemas} AS operator_schemas, {operators} AS operators,
           EXISTS (SELECT FROM pg_trigger t WHERE t.tgconstraint = c.oid AND t.tgenabled <> 'O' OFFSET 0) AS recheck_disabled,
           coalesce(i.relname, '') AS index, c.conkey, obj_description(c.oid, 'pg_constraint') AS comment
      FROM pg_constraint c LEFT JOIN pg_class i ON i.oid = c.conindid
     WHERE c.conrelid = $1 AND c.contype IN ('c', 'n', 'p', 'u', 'x')
     ORDER BY c.conname COLLATE "C")";

constraint read_constraint(const pg::result& rows, int row) {
    constraint each;
    each.oid = rows.integer(row, "oid");
    each.name = rows.text(row, "conname");
    each.type = read_char(rows, row, "contype");
    each.definition = rows.text(row, "definition");
    each.operator_schemas = rows.array(row, "operator_schemas");
    each.operators = rows.array(row, "operators");
    each.recheck_disabled = rows.boolean(row, "recheck_disabled");
    each.validated = rows.boolean(row, "convalidated");
    each.enforced = rows.boolean(row, "enforced");
    each.period = rows.boolean(row, "period");
    each.deferrable = rows.boolean(row, "condeferrable");
    each.deferred = rows.boolean(row, "condeferred");
    each.local = rows.boolean(row, "conislocal");
    each.inherited = static_cast<int>(rows.integer(row, "coninhcount"));
    each.index = rows.text(row, "index");
    for (const auto& attnum : rows.array(row, "conkey")) {
        each.columns.push_back(std::stoi(attnum));
    }
    each.comment = rows.optional_text(row, "comment");
    return each;
}

}  // namespace

awaitable<std::vector<constraint>> read_constraints(pg::inquiry& ask, std::int64_t table_oid) {
    const char* enforced = ask.server_major() >= 18 ? "c.conenforced" : "true";
    const char* period = ask.server_major() >= 18 ? "c.conperiod" : "false";
    std::string sql = fmt::format(constraints_sql, fmt::arg("enforced", enforced), fmt::arg("period", period),
                                  fmt::arg("operators", used_operators_sql("c.conbin::text")),
                                  fmt::arg("operator_schemas", operator_schemas_sql("c.conbin::text")));
    const auto rows = co_await ask.ask(std::move(sql), table_oid);
    std::vector<constraint> constraints;
    for (int row = 0; row < rows.rows(); ++row) {
        constraints.push_back(read_constraint(rows, row));
    }
    co_return constraints;
}

}  // namespace pgeist::catalog
