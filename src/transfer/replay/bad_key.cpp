#include "pgeist/transfer/replay/bad_key.hpp"

#include <fmt/format.h>

#include "pgeist/pg/transaction.hpp"
#include "pgeist/transfer/copy/transfer_sql.hpp"
#include "pgeist/walk/key_values.hpp"

namespace pgeist::replay {

namespace {

constexpr int most_keys = 5'000;

/// `s."id" = CAST($1 AS integer) AND …`
std::string one_key(const walk::key& key) {
    std::vector<std::string> conditions;
    for (const walk::key_column& column : key.columns) {
        const std::string collate = column.collation.empty() ? "" : " COLLATE " + column.collation;
        conditions.push_back(fmt::format("s.{}{} {} {}", quote_identifier(column.read_name), collate, column.equal,
                                         walk::read_back(column, fmt::format("${}", conditions.size() + 1))));
    }
    return join(conditions, " AND ");
}

/// Whether the row itself is at fault: that the write side has its key, or a unique value of it, already is not.
bool is_at_fault(const pg::sql_error& failure) {
    return failure.blames_data() && !failure.is(pg::sqlstate::unique_violation) &&
           !failure.is(pg::sqlstate::exclusion_violation);
}

awaitable<void> insert_row(pg::connection& session, const std::string& insert, const pg::parameters& key) {
    co_await session.query_params(insert, key, deadline::never());
}

}  // namespace

awaitable<std::string> find_bad_key(pg::connection& session, const transfer::spec& transfer, selection rows) {
    const std::string insert =
        copy::transfer_sql(transfer, "ONLY " + transfer.read.name.sql() + " AS s") + " WHERE " + one_key(transfer.key);
    std::string list = fmt::format("SELECT {} FROM (SELECT DISTINCT {} FROM {} AS l{} LIMIT {}) AS b",
                                   walk::readable_log_columns(transfer.key, "b"), walk::log_columns(transfer.key),
                                   transfer.log().sql(), condition(transfer, rows), most_keys);
    const pg::result keys = co_await session.query(std::move(list));
    for (int row = 0; row < keys.rows(); ++row) {
        pg::parameters values;
        std::string shown;
        for (std::size_t at = 0; at < transfer.key.columns.size(); ++at) {
            const int column = static_cast<int>(at);
            values.push_back(keys.text(row, column));
            shown += fmt::format("{}{} = {}", at == 0 ? "" : ", ",
                                 display_identifier(transfer.key.columns[at].read_name), keys.view(row, column));
        }
        bool found = false;
        const auto attempt = [&] { return insert_row(session, insert, values); };
        try {
            co_await pg::rolled_back(session, attempt);
        } catch (const pg::sql_error& failure) {
            found = is_at_fault(failure);
        }
        if (found) {
            co_return shown;
        }
    }
    co_return std::string();
}

}  // namespace pgeist::replay
