#include "readers.hpp"

namespace pgeist::catalog {

namespace {

constexpr const char* rules_sql = R"(
    SELECT r.rulename, pg_get_ruledef(r.oid) AS definition, r.ev_enabled, obj_description(r.oid, 'pg_rewrite') AS comment
      FROM pg_rewrite r WHERE r.ev_class = $1 ORDER BY r.rulename COLLATE "C")";

}  // namespace

awaitable<std::vector<rule>> read_rules(pg::connection& conn, std::int64_t table_oid) {
    const auto rows = co_await conn.query(rules_sql, table_oid);
    std::vector<rule> rules;
    for (int row = 0; row < rows.rows(); ++row) {
        rule each;
        each.name = rows.text(row, "rulename");
        each.definition = rows.text(row, "definition");
        each.enabled = read_char(rows, row, "ev_enabled");
        each.comment = rows.optional_text(row, "comment");
        rules.push_back(std::move(each));
    }
    co_return rules;
}

}  // namespace pgeist::catalog
