#include <fmt/format.h>

#include "pgeist/catalog/operators.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* rules_sql = R"(
    SELECT r.rulename, pg_get_ruledef(r.oid) AS definition, r.ev_enabled,
           {operator_schemas} AS operator_schemas, {operators} AS operators,
           obj_description(r.oid, 'pg_rewrite') AS comment
      FROM pg_rewrite r WHERE r.ev_class = $1 ORDER BY r.rulename COLLATE "C")";

}  // namespace

awaitable<std::vector<rule>> read_rules(pg::inquiry& ask, std::int64_t table_oid) {
    const std::string tree = "concat(r.ev_qual::text, r.ev_action::text)";
    const auto rows = co_await ask.ask(fmt::format(rules_sql, fmt::arg("operators", used_operators_sql(tree)),
                                                   fmt::arg("operator_schemas", operator_schemas_sql(tree))),
                                       table_oid);
    std::vector<rule> rules;
    for (int row = 0; row < rows.rows(); ++row) {
        rule each;
        each.name = rows.text(row, "rulename");
        each.definition = rows.text(row, "definition");
        each.operator_schemas = rows.array(row, "operator_schemas");
        each.operators = rows.array(row, "operators");
        each.enabled = read_char(rows, row, "ev_enabled");
        each.comment = rows.optional_text(row, "comment");
        rules.push_back(std::move(each));
    }
    co_return rules;
}

}  // namespace pgeist::catalog
