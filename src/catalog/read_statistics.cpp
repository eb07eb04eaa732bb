#include <fmt/format.h>

#include "pgeist/catalog/operators.hpp"
#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* statistics_sql = R"(
    SELECT s.oid, n.nspname, s.stxname, quote_ident(n.nspname) || '.' || quote_ident(s.stxname) AS printed_name,
           pg_get_statisticsobjdef(s.oid) AS definition, pg_get_userbyid(s.stxowner) AS owner,
           {operator_schemas} AS operator_schemas, {operators} AS operators,
           nullif(s.stxstattarget, -1) AS target, obj_description(s.oid, 'pg_statistic_ext') AS comment
      FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
     WHERE s.stxrelid = $1 ORDER BY n.nspname COLLATE "C", s.stxname COLLATE "C")";

}  // namespace

awaitable<std::vector<statistics>> read_statistics(pg::inquiry& ask, std::int64_t table_oid) {
    const std::string schemas = operator_schemas_sql("s.stxexprs::text");
    const auto rows = co_await ask.ask(fmt::format(statistics_sql, fmt::arg("operator_schemas", schemas),
                                                   fmt::arg("operators", used_operators_sql("s.stxexprs::text"))),
                                       table_oid);
    std::vector<statistics> all;
    for (int row = 0; row < rows.rows(); ++row) {
        statistics each;
        each.oid = rows.integer(row, "oid");
        each.name.schema = rows.text(row, "nspname");
        each.name.name = rows.text(row, "stxname");
        each.printed_name = rows.text(row, "printed_name");
        each.definition = rows.text(row, "definition");
        each.operator_schemas = rows.array(row, "operator_schemas");
        each.operators = rows.array(row, "operators");
        each.owner = rows.text(row, "owner");
        if (!rows.is_null(row, rows.column("target"))) {
            each.target = static_cast<int>(rows.integer(row, "target"));
        }
        each.comment = rows.optional_text(row, "comment");
        all.push_back(std::move(each));
    }
    co_return all;
}

}  // namespace pgeist::catalog
