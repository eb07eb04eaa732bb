#include "pgeist/sql/policy.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/sql/table.hpp"

namespace pgeist::sql {

namespace {

/// The letters of pg_policy.polcmd.
std::string command_sql(char command) {
    switch (command) {
        case 'r':
            return "SELECT";
        case 'a':
            return "INSERT";
        case 'w':
            return "UPDATE";
        case 'd':
            return "DELETE";
        default:
            return "ALL";
    }
}

}  // namespace

statements create_policy(const catalog::table& of, const catalog::policy& each, const qualified_name& target) {
    const auto expression = [&](const std::string& text) {
        return catalog::replace_relation(text, of.printed_name, target.sql());
    };
    const std::string name = quote_identifier(each.name);
    std::vector<std::string> roles;
    for (const auto& role : each.roles) {
        roles.push_back(quote_identifier(role));
    }
    std::string sql = fmt::format("CREATE POLICY {} ON {} AS {} FOR {} TO {}", name, target.sql(),
                                  each.permissive ? "PERMISSIVE" : "RESTRICTIVE", command_sql(each.command),
                                  roles.empty() ? "PUBLIC" : join(roles, ", "));
    sql += each.using_expression ? fmt::format(" USING ({})", expression(*each.using_expression)) : "";
    sql += each.check_expression ? fmt::format(" WITH CHECK ({})", expression(*each.check_expression)) : "";
    statements all{{"policy " + display_identifier(each.name), with_operators(each.operator_schemas, std::move(sql))}};
    if (each.comment) {
        all.push_back(comment_on(fmt::format("POLICY {} ON {}", name, target.sql()), *each.comment));
    }
    return all;
}

statements row_security(const catalog::table& of, const qualified_name& target) {
    statements all;
    if (of.row_security) {
        all.push_back({"row security", fmt::format("ALTER TABLE {} ENABLE ROW LEVEL SECURITY", target.sql())});
    }
    if (of.force_row_security) {
        all.push_back({"row security", fmt::format("ALTER TABLE {} FORCE ROW LEVEL SECURITY", target.sql())});
    }
    return all;
}

statements security_labels(const catalog::table& of, const qualified_name& target) {
    statements all;
    for (const auto& each : of.security_labels) {
        const std::string object = each.column.empty()
                                       ? "TABLE " + target.sql()
                                       : fmt::format("COLUMN {}.{}", target.sql(), quote_identifier(each.column));
        all.push_back({"the security label of " + display_identifier(each.provider),
                       fmt::format("SECURITY LABEL FOR {} ON {} IS {}", quote_identifier(each.provider), object,
                                   quote_literal(each.label))});
    }
    return all;
}

}  // namespace pgeist::sql
