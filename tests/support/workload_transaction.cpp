#include "support/workload_transaction.hpp"

#include <array>

namespace pgeist::test {
namespace {

std::string placeholders(std::size_t count) {
    std::vector<std::string> marks;
    for (std::size_t number = 1; number <= count; ++number) {
        marks.push_back("$" + std::to_string(number));
    }
    return joined(marks);
}

std::vector<field> chained(std::vector<field> first, const std::vector<field>& second) {
    first.insert(first.end(), second.begin(), second.end());
    return first;
}

}  // namespace

workload_transaction::workload_transaction(sync_connection& connection, const workload_shape& shape,
                                           random_engine& random, bool prepared)
    : connection_(connection), shape_(shape), random_(random), prepared_(prepared), columns_(shape.columns()) {}

void workload_transaction::any_operation() {
    using operation = void (workload_transaction::*)();
    static constexpr std::array operations{
        &workload_transaction::insert,
        &workload_transaction::upsert,
        &workload_transaction::update,
        &workload_transaction::update,
        &workload_transaction::set_null,
        &workload_transaction::update_range,
        &workload_transaction::remove,
        &workload_transaction::change_key,
        &workload_transaction::remove_and_insert_again,
        &workload_transaction::swap_unique_values,
        &workload_transaction::hand_over_unique_value,
        &workload_transaction::undo_to_savepoint,
    };
    const operation chosen = operations.at(static_cast<std::size_t>(pick(random_, 0, operations.size() - 1)));
    (this->*chosen)();
}

void workload_transaction::insert() { insert_row(shape_.make_key(random_), random_values()); }

void workload_transaction::upsert() {
    std::string action = chance(random_, 70) ? "UPDATE SET " + take_values() : "NOTHING";
    if (connection_.server_major() >= 19 && chance(random_, 30)) {
        action = "SELECT FOR UPDATE";  // gives back the row that is there, and locks it: the twin's is to be the same
    }
    put_in_twin(run(insert_into(shape_.table) + " ON CONFLICT (" + joined(shape_.keys) + ") DO " + action + returning(),
                    chained(shape_.make_key(random_), random_values())));
}

void workload_transaction::update() {
    const std::string& column =
        shape_.values.at(static_cast<std::size_t>(pick(random_, 0, static_cast<long long>(shape_.values.size()) - 1)));
    set_column(shape_.make_key(random_), column, shape_.make_value(random_, column));
}

void workload_transaction::set_null() {
    const std::string& column =
        shape_.values.at(static_cast<std::size_t>(pick(random_, 0, static_cast<long long>(shape_.values.size()) - 1)));
    set_column(shape_.make_key(random_), column, std::nullopt);
}

void workload_transaction::update_range() {
    const field from = shape_.make_value(random_, shape_.unique_value);
    put_in_twin(run("UPDATE " + shape_.table + " SET note = left(note, 20) || '+' WHERE " + shape_.unique_value +
                        " BETWEEN $1::int AND $1::int + 400" + returning(),
                    {from}));
}

void workload_transaction::remove() { remove_row(shape_.make_key(random_)); }

void workload_transaction::change_key() {
    const values from = shape_.make_key(random_);
    const values to = shape_.make_key(random_);
    std::vector<std::string> assignments;
    for (std::size_t part = 0; part < shape_.keys.size(); ++part) {
        assignments.push_back(shape_.keys[part] + " = $" + std::to_string(part + 1));
    }
    const result_set written = run("UPDATE " + shape_.table + " SET " + joined(assignments) + " WHERE " +
                                       key_is(shape_.keys.size() + 1) + returning(),
                                   chained(to, from));
    if (!written.rows.empty()) {
        remove_from_twin(from);
        put_in_twin(written);
    }
}

void workload_transaction::remove_and_insert_again() {
    const values key = shape_.make_key(random_);
    if (!remove_row(key).rows.empty()) {
        insert_row(key, random_values());
    }
}

void workload_transaction::swap_unique_values() {
    const values one = shape_.make_key(random_);
    const values other = shape_.make_key(random_);
    const std::string read =
        "SELECT " + shape_.unique_value + " FROM " + shape_.table + " WHERE " + key_is(1) + " FOR UPDATE";
    const result_set first = run(read, one);
    const result_set second = run(read, other);
    if (one == other || first.rows.empty() || second.rows.empty()) {
        return;
    }
    set_column(one, shape_.unique_value, std::nullopt);
    set_column(other, shape_.unique_value, first.rows[0][0]);
    set_column(one, shape_.unique_value, second.rows[0][0]);
}

void workload_transaction::hand_over_unique_value() {
    const result_set removed = remove_row(shape_.make_key(random_));
    if (removed.rows.empty()) {
        return;
    }
    values heir = random_values();
    for (std::size_t column = 0; column < columns_.size(); ++column) {
        if (columns_[column] == shape_.unique_value) {
            heir.at(column - shape_.keys.size()) = removed.rows[0][column];
        }
    }
    insert_row(shape_.make_key(random_), heir);
}

void workload_transaction::undo_to_savepoint() {
    connection_.execute("SAVEPOINT here");
    try {
        remove();
        insert();
    } catch (const sql_error& error) {
        if (error.sqlstate() != "23505") {
            throw;
        }
    }
    connection_.execute("ROLLBACK TO SAVEPOINT here");
    update();
    connection_.execute("RELEASE SAVEPOINT here");
}

void workload_transaction::truncate() {
    connection_.execute("TRUNCATE " + shape_.table + ", " + shape_.twin);
    constexpr int few = 50;
    for (int count = 0; count < few; ++count) {
        upsert();
    }
}

result_set workload_transaction::run(const std::string& sql, const values& params) {
    if (!prepared_) {
        return connection_.query(sql, params);
    }
    const auto [statement, is_new] = statements_.try_emplace(sql, "s" + std::to_string(statements_.size()));
    if (is_new) {
        try {
            connection_.prepare(statement->second, sql);
        } catch (...) {
            statements_.erase(statement);
            throw;
        }
    }
    return connection_.query_prepared(statement->second, params);
}

void workload_transaction::put_in_twin(const result_set& written) {
    for (const row& line : written.rows) {
        run(insert_into(shape_.twin) + " ON CONFLICT (" + joined(shape_.keys) + ") DO UPDATE SET " + take_values(),
            line);
    }
}

void workload_transaction::remove_from_twin(const values& key) {
    run("DELETE FROM " + shape_.twin + " WHERE " + key_is(1), key);
}

result_set workload_transaction::remove_row(const values& key) {
    result_set removed = run("DELETE FROM " + shape_.table + " WHERE " + key_is(1) + returning(), key);
    if (!removed.rows.empty()) {
        remove_from_twin(key);
    }
    return removed;
}

void workload_transaction::insert_row(const values& key, const values& value) {
    put_in_twin(run(insert_into(shape_.table) + returning(), chained(key, value)));
}

void workload_transaction::set_column(const values& key, const std::string& column, const field& value) {
    put_in_twin(run("UPDATE " + shape_.table + " SET " + column + " = $1 WHERE " + key_is(2) + returning(),
                    chained({value}, key)));
}

workload_transaction::values workload_transaction::random_values() {
    values made;
    for (const std::string& column : shape_.values) {
        made.push_back(shape_.make_value(random_, column));
    }
    return made;
}

std::string workload_transaction::key_is(std::size_t first) const {
    std::vector<std::string> parts;
    for (const std::string& key : shape_.keys) {
        parts.push_back(key);
        parts.back().append(" = $").append(std::to_string(first++));
    }
    return joined(parts, " AND ");
}

std::string workload_transaction::insert_into(const std::string& table) const {
    return "INSERT INTO " + table + " (" + joined(columns_) + ") VALUES (" + placeholders(columns_.size()) + ")";
}

std::string workload_transaction::take_values() const {
    std::vector<std::string> assignments;
    for (const std::string& column : shape_.values) {
        assignments.push_back(column);
        assignments.back().append(" = EXCLUDED.").append(column);
    }
    return joined(assignments);
}

std::string workload_transaction::returning() const { return " RETURNING " + joined(columns_); }

}  // namespace pgeist::test
