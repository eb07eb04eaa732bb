#pragma once

#include <functional>
#include <random>
#include <string>
#include <vector>

#include "support/sync_connection.hpp"

namespace pgeist::test {

using random_engine = std::mt19937_64;

/// A whole number from `low` to `high`, both included.
long long pick(random_engine& random, long long low, long long high);

/// True in `percent` of all cases.
bool chance(random_engine& random, int percent);

/// What a random workload writes to: a table, and its twin, the oracle. Every transaction of the workload writes the
/// rows that the server says it made of the table also to the twin, so that both always commit together; the twin is
/// left alone by the program under test.
struct workload_shape {
    std::string table;
    std::string twin;
    std::vector<std::string> keys;
    std::vector<std::string> values;
    /// A value column with a unique constraint, of an integer type.
    std::string unique_value;
    /// Makes and fills both tables.
    std::string create;
    std::function<std::vector<field>(random_engine&)> make_key;
    std::function<field(random_engine&, const std::string& column)> make_value;

    /// Key columns, then value columns.
    [[nodiscard]] std::vector<std::string> columns() const;
};

/// int key, values of several types, one of them unique.
workload_shape integer_key_shape(long long rows);

/// Key of an int and a text column.
workload_shape composite_key_shape(long long rows);

/// Text key with letters beyond ASCII.
workload_shape text_key_shape(long long rows);

/// "a, b, c"
std::string joined(const std::vector<std::string>& parts, const std::string& separator = ", ");

}  // namespace pgeist::test
