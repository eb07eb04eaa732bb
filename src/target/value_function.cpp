#include <algorithm>

#include <fmt/format.h>

#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/sql/table.hpp"
#include "value_function.hpp"

namespace pgeist::target {

namespace {

constexpr const char* columns_sql = R"(
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) AS type,
           (SELECT format('%I.%I', n.nspname, l.collname) FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
             WHERE l.oid = a.attcollation) AS collation
      FROM pg_attribute a WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)";

/// The type of an expression: a view has it.
awaitable<std::string> type_of(build_context& at, qualified_name probe, probed_expression from) {
    const qualified_name view{at.passage_schema, "pgeist_type"};
    co_await at.conn.execute(with_operators(
        from.operators.schemas, fmt::format("CREATE VIEW {} AS SELECT CASE WHEN true THEN {} END AS value FROM ONLY {}",
                                            view.sql(), from.text, probe.sql())));
    const auto rows = co_await at.conn.query(columns_sql, view.sql());
    std::string type = rows.text(0, "type");
    co_await at.conn.execute("DROP VIEW " + view.sql());
    co_return type;
}

/// What an expression finds by the search_path it finds by the one that ALTER TABLE would run with.
std::string as_the_user_sets(const build_context& at, const std::string& signature) {
    return fmt::format(
        "{0}; SET LOCAL quote_all_identifiers TO DEFAULT; ALTER FUNCTION {1} SET search_path FROM CURRENT; ALTER "
        "FUNCTION {1} SET quote_all_identifiers FROM CURRENT; {2}; SET LOCAL quote_all_identifiers TO off",
        catalog::user_settings(at.conn), signature, catalog::session_settings(at.conn));
}

}  // namespace

std::string column_placeholder(std::size_t place) { return fmt::format("pgeist:column:{}", place); }

void replace_columns(std::string& text, std::size_t place, const std::string& by) {
    const std::string wanted = quote_identifier(column_placeholder(place));
    for (auto found = text.find(wanted); found != std::string::npos; found = text.find(wanted, found + by.size())) {
        text.replace(found, wanted.size(), by);
    }
}

awaitable<value_function> make_value_function(build_context& at, qualified_name probe, probed_expression from,
                                              std::vector<known_column> columns, std::string what) {
    const auto shape = co_await at.conn.query(columns_sql, probe.sql());
    const std::string type = co_await type_of(at, probe, from);
    const std::string argument = quote_identifier(at.source.name.name);
    std::vector<std::string> fields;
    std::vector<std::string> values;
    value_function made;
    for (std::size_t place = 0; place < columns.size(); ++place) {
        const bool used = from.text.find(quote_identifier(column_placeholder(place))) != std::string::npos;
        if (!used && !from.whole_row) {
            continue;
        }
        const int row = static_cast<int>(place);
        const auto collation = shape.optional_text(row, "collation");
        const std::string field = quote_identifier(columns[place].name);
        fields.push_back(
            fmt::format("{} {}{}", field, shape.text(row, "type"), collation ? " COLLATE " + *collation : ""));
        if (columns[place].sql.empty()) {
            refuse_unknown_column(what, columns[place].name);
        }
        values.push_back(columns[place].sql);
        made.reads.insert(columns[place].reads.begin(), columns[place].reads.end());
        replace_columns(from.text, place, argument + "." + field);
    }
    const std::size_t number = ++at.value_functions;
    const qualified_name row_type{at.job_schema, fmt::format("pgeist_row_{}", number)};
    const qualified_name function{at.job_schema, fmt::format("pgeist_value_{}", number)};
    made.signature = fmt::format("{}({})", function.sql(), row_type.sql());
    made.create.push_back({what, fmt::format("CREATE TYPE {} AS ({})", row_type.sql(), join(fields, ", "))});
    made.create.push_back(
        {what, with_operators(from.operators.schemas,
                              fmt::format("CREATE FUNCTION {}({} {}) RETURNS {} LANGUAGE sql RETURN {}", function.sql(),
                                          argument, row_type.sql(), type, from.text))});
    if (from.follows_path) {
        made.create.push_back({what, as_the_user_sets(at, made.signature)});
    }
    made.create.push_back({what, fmt::format("GRANT EXECUTE ON FUNCTION {} TO PUBLIC", made.signature)});
    made.drop = {"the function of " + what,
                 fmt::format("DROP FUNCTION IF EXISTS {}; DROP TYPE IF EXISTS {}", function.sql(), row_type.sql())};
    made.call = fmt::format("{}(ROW({})::{})", function.sql(), join(values, ", "), row_type.sql());
    co_return made;
}

}  // namespace pgeist::target
