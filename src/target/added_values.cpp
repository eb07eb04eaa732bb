#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "pgeist/pg/result.hpp"
#include "pgeist/sql/table.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

/// Whether the column gets one value for all rows, which is known now.
bool is_constant(const build_context& at, const catalog::column& column) {
    const auto& value = at.values.at(column.attnum);
    return column.generated == 0 && value.expression && value.compared && value.reads.empty();
}

bool is_about(const catalog::constraint& each, const std::set<int>& columns) {
    return !each.columns.empty() && std::all_of(each.columns.begin(), each.columns.end(),
                                                [&](int attnum) { return columns.count(attnum) != 0; });
}

}  // namespace

awaitable<void> check_added_values(build_context& at, const catalog::table& after, const walk::key& key) {
    const qualified_name probe{at.passage_schema, at.source.name.name};  // as messages name it
    std::set<int> constant;
    std::vector<std::string> others;
    std::vector<std::string> names;
    std::vector<std::string> values;
    for (const auto& column : after.columns) {
        const std::string name = quote_identifier(column.name);
        if (is_constant(at, column)) {
            constant.insert(column.attnum);
            names.push_back(name);
            values.push_back(*at.values.at(column.attnum).expression);
        } else {
            others.push_back(fmt::format("DROP COLUMN {} CASCADE", name));
        }
    }
    if (names.empty()) {
        co_return;
    }
    if (key.carried) {  // stands in the shadow beside the columns of the new table
        for (const walk::key_column& each : key.columns) {
            others.push_back(fmt::format("DROP COLUMN {} CASCADE", quote_identifier(each.write_name)));
        }
    }
    const auto filled = co_await at.conn.query("SELECT EXISTS (SELECT FROM ONLY " + at.source.name.sql() + ")");
    if (!filled.boolean(0, 0)) {
        co_return;
    }
    statements all{{"", fmt::format("CREATE TABLE {} (LIKE {})", probe.sql(), at.shadow.sql())}};
    if (!others.empty()) {
        all.push_back({"", fmt::format("ALTER TABLE {} {}", probe.sql(), join(others, ", "))});
    }
    for (const auto& each : after.constraints) {
        if (each.type == 'c' && at.source.find_constraint(each.name) == nullptr && is_about(each, constant)) {
            for (auto& statement : add_constraint(each, probe)) {
                all.push_back(std::move(statement));
            }
        }
    }
    all.push_back(
        {"", fmt::format("INSERT INTO {} ({}) VALUES ({})", probe.sql(), join(names, ", "), join(values, ", "))});
    co_await begin_trial(at);
    co_await try_statements(at, std::move(all), "no row of {1} would fit the change");
    co_await undo_trial(at);
}

awaitable<void> grant_on_new_sequences(build_context& at) {
    constexpr const char* default_rights_sql = R"(
        SELECT s.oid::regclass::text AS sequence, x.privilege_type, x.is_grantable,
               CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END AS grantee
          FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
          JOIN pg_default_acl a ON a.defaclrole = s.relowner AND a.defaclobjtype = 'S'
          JOIN pg_namespace n ON n.oid = a.defaclnamespace AND n.nspname = $2
         CROSS JOIN LATERAL aclexplode(a.defaclacl) AS x
         WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = $1
           AND d.deptype IN ('a', 'i') AND s.oid <> ALL ($3::oid[]) ORDER BY 1, 4, 2)";
    std::vector<std::string> old;
    for (const auto oid : at.identity_sequences) {
        old.push_back(std::to_string(oid));
    }
    const auto rows =
        co_await at.conn.query(default_rights_sql, at.shadow_oid, at.source.name.schema, pg::array_literal(old));
    std::vector<plan::statement> all;
    for (int row = 0; row < rows.rows(); ++row) {
        all.push_back({"rights on a new sequence",
                       fmt::format("GRANT {} ON SEQUENCE {} TO {}{}", rows.text(row, "privilege_type"),
                                   rows.text(row, "sequence"), rows.text(row, "grantee"),
                                   rows.boolean(row, "is_grantable") ? " WITH GRANT OPTION" : "")});
    }
    co_await run_statements(at, std::move(all));
}

}  // namespace pgeist::target
