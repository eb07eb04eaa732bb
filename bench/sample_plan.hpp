#pragma once

#include <string>

#include "pgeist/plan/blueprint.hpp"

namespace pgeist::bench {

/// A plan of a table with `columns` columns and an integer key, as the benchmarks' input.
inline plan::blueprint sample_plan(int columns) {
    plan::blueprint plan;
    plan.table = qualified_name{"public", "orders"};
    plan.job_schema = "pgeist_1";
    plan::key_column key;
    key.read_name = key.write_name = "id";
    key.type = "integer";
    key.less = "OPERATOR(pg_catalog.<)";
    key.less_equal = "OPERATOR(pg_catalog.<=)";
    key.equal = "OPERATOR(pg_catalog.=)";
    key.greater_equal = "OPERATOR(pg_catalog.>=)";
    key.greater = "OPERATOR(pg_catalog.>)";
    plan.key.columns.push_back(key);
    for (int number = 0; number < columns; ++number) {
        plan::column column;
        column.name = "column_" + std::to_string(number);
        column.type = "bigint";
        column.read_name = column.name;
        column.expression = quote_identifier(column.name);
        column.conversion = "unchanged";
        plan.columns.push_back(column);
    }
    return plan;
}

}  // namespace pgeist::bench
