#pragma once

#include <map>
#include <string>
#include <vector>

#include "support/sync_connection.hpp"
#include "support/workload_shape.hpp"

namespace pgeist::test {

/// The write operations of the random workload, each on the table and, with the rows that the server returned, on the
/// twin. To be called inside a transaction; an error of the server is passed on as sql_error.
class workload_transaction {
public:
    /// All three must outlive this. With `prepared`, statements are prepared once per connection, as drivers do.
    workload_transaction(sync_connection& connection, const workload_shape& shape, random_engine& random,
                         bool prepared);

    /// One operation, chosen at random.
    void any_operation();

    void insert();
    void upsert();
    void update();
    void set_null();
    void update_range();
    void remove();
    void change_key();
    void remove_and_insert_again();
    /// Two rows exchange their unique values.
    void swap_unique_values();
    /// A row is deleted and its unique value used by a new row.
    void hand_over_unique_value();
    /// An operation that is undone, and another one.
    void undo_to_savepoint();
    /// Empties both tables and inserts some rows.
    void truncate();

private:
    using values = std::vector<field>;

    result_set run(const std::string& sql, const values& params);
    /// Adds rows to the twin, or replaces those of the same key.
    void put_in_twin(const result_set& written);
    void remove_from_twin(const values& key);
    result_set remove_row(const values& key);
    void insert_row(const values& key, const values& value);
    /// Sets one column of the row with this key; no row is no error.
    void set_column(const values& key, const std::string& column, const field& value);
    values random_values();
    /// "k1 = $first AND k2 = $(first + 1)"
    [[nodiscard]] std::string key_is(std::size_t first) const;
    [[nodiscard]] std::string insert_into(const std::string& table) const;
    [[nodiscard]] std::string take_values() const;
    [[nodiscard]] std::string returning() const;

    sync_connection& connection_;
    const workload_shape& shape_;
    random_engine& random_;
    bool prepared_;
    std::vector<std::string> columns_;
    std::map<std::string, std::string> statements_;
};

}  // namespace pgeist::test
