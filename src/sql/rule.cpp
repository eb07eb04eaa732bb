#include "pgeist/sql/rule.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/sql/table.hpp"
#include "pgeist/sql/trigger.hpp"

namespace pgeist::sql {

statements create_rule(const catalog::table& of, const catalog::rule& each, const qualified_name& target) {
    const std::string name = quote_identifier(each.name);
    const std::string label = "rule " + display_identifier(each.name);
    statements all;
    std::string sql = catalog::retarget(each.definition, of.printed_name, target.sql(), "TO");
    sql.erase(sql.find_last_not_of("; \n") + 1);
    all.push_back({label, with_operators(each.operator_schemas, std::move(sql))});
    if (each.enabled != 'O') {
        all.push_back({label, fmt::format("ALTER TABLE {} {} RULE {}", target.sql(), state_sql(each.enabled), name)});
    }
    if (each.comment) {
        all.push_back(comment_on(fmt::format("RULE {} ON {}", name, target.sql()), *each.comment));
    }
    return all;
}

}  // namespace pgeist::sql
