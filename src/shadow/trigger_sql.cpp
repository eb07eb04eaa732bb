#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "sql.hpp"

namespace pgeist::shadow {

std::string state_sql(char enabled) {
    switch (enabled) {
        case 'D':
            return "DISABLE";
        case 'R':
            return "ENABLE REPLICA";
        case 'A':
            return "ENABLE ALWAYS";
        default:
            return "ENABLE";
    }
}

statements create_trigger(const catalog::table& of, const catalog::trigger& each, const qualified_name& target) {
    const std::string name = quote_identifier(each.name);
    const std::string label = "trigger " + display_identifier(each.name);
    statements all;
    all.push_back({label, catalog::retarget(each.definition, of.printed_name, target.sql())});
    if (each.enabled != 'O') {
        all.push_back(
            {label, fmt::format("ALTER TABLE {} {} TRIGGER {}", target.sql(), state_sql(each.enabled), name)});
    }
    if (each.comment) {
        all.push_back(comment_on(fmt::format("TRIGGER {} ON {}", name, target.sql()), *each.comment));
    }
    return all;
}

}  // namespace pgeist::shadow
