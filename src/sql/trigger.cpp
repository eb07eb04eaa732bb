#include "pgeist/sql/trigger.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/sql/table.hpp"

namespace pgeist::sql {

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
    all.push_back({label, with_operators(each.operator_schemas,
                                         catalog::retarget(each.definition, of.printed_name, target.sql()))});
    if (each.enabled != 'O') {
        all.push_back(
            {label, fmt::format("ALTER TABLE {} {} TRIGGER {}", target.sql(), state_sql(each.enabled), name)});
    }
    if (each.comment) {
        all.push_back(comment_on(fmt::format("TRIGGER {} ON {}", name, target.sql()), *each.comment));
    }
    if (each.constraint_comment) {
        all.push_back(comment_on(fmt::format("CONSTRAINT {} ON {}", name, target.sql()), *each.constraint_comment));
    }
    for (const auto& extension : each.extensions) {
        all.push_back({label, fmt::format("ALTER TRIGGER {} ON {} DEPENDS ON EXTENSION {}", name, target.sql(),
                                          quote_identifier(extension))});
    }
    return all;
}

}  // namespace pgeist::sql
