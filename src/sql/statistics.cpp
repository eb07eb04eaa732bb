#include "pgeist/sql/statistics.hpp"

#include "pgeist/sql/table.hpp"
#include <fmt/format.h>

namespace pgeist::sql {

statements create_statistics(const catalog::table& of, const catalog::statistics& each, const qualified_name& target) {
    const std::string name = qualified_name{target.schema, each.name.name}.sql();
    const std::string label = "statistics " + display_identifier(each.name.name);
    std::string sql = each.definition;
    // CREATE STATISTICS name … FROM table: the first and the last thing in the text.
    const std::string table = " FROM " + of.printed_name;
    sql.replace(sql.rfind(table), table.size(), " FROM " + target.sql());
    sql.replace(sql.find(each.printed_name), each.printed_name.size(), name);
    statements all{{label, with_operators(each.operator_schemas, std::move(sql))}};
    if (each.target) {
        all.push_back({label, fmt::format("ALTER STATISTICS {} SET STATISTICS {}", name, *each.target)});
    }
    if (each.comment) {
        all.push_back(comment_on("STATISTICS " + name, *each.comment));
    }
    all.push_back({label, fmt::format("ALTER STATISTICS {} OWNER TO {}", name, quote_identifier(each.owner))});
    return all;
}

}  // namespace pgeist::sql
