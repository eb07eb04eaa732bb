#include "pgeist/transfer/replay/unfit.hpp"

#include <fmt/format.h>

#include "keep_sql.hpp"
#include "pgeist/core/template.hpp"
#include "pgeist/pg/result.hpp"
#include "pgeist/templates.hpp"
#include "pgeist/transfer/image.hpp"
#include "pgeist/transfer/touched.hpp"
#include "pgeist/walk/key_values.hpp"

namespace pgeist::replay {

namespace {

/// `id = 5, part = x`, as the server prints values.
std::string shown_key(const walk::key& key) {
    std::vector<std::string> parts;
    for (const walk::key_column& column : key.columns) {
        const std::string name = quote_literal(display_identifier(column.read_name) + " = ");
        parts.push_back(fmt::format("{}, {}", name, walk::readable(column, fmt::format("u.k{}", parts.size() + 1))));
    }
    return "concat(" + join(parts, ", ', ', ") + ")";
}

std::string log_key(const walk::key& key) {
    std::vector<std::string> columns;
    for (std::size_t at = 1; at <= key.columns.size(); ++at) {
        columns.push_back(fmt::format("l.k{}", at));
    }
    return join(columns, ", ");
}

/// Within the function for a column: whether the digest of what both sides have is the one that replay noted.
std::string is_held_sql(const transfer::spec& transfer, std::size_t place, std::size_t bit) {
    std::vector<std::string> key;
    for (const walk::key_column& column : transfer.key.columns) {
        key.push_back(fmt::format("($1).{} AS k{}", quote_identifier(column.read_name), key.size() + 1));
    }
    const transfer::column& column = transfer.columns[place];
    return fmt::format(
        "EXISTS (SELECT FROM (SELECT {}) AS pgeist_g JOIN {} AS pgeist_x ON {} WHERE pgeist_x.held[{}] = "
        "{}.pgeist_digest_{}(($1).{}, ($2).{}))",
        join(key, ", "), transfer.since().sql(), walk::log_equals_log(transfer.key, "pgeist_x", "pgeist_g"), bit,
        quote_identifier(transfer.schema), place + 1, quote_identifier(*column.read_name),
        quote_identifier(column.name));
}

/// The functions for columns with values that are not proven.
std::string unproven_sql(const transfer::spec& transfer) {
    std::string sql;
    for (std::size_t at = 0; at < transfer.columns.size(); ++at) {
        const transfer::column& column = transfer.columns[at];
        if (!column.inverse || column.proven) {
            continue;
        }
        const std::string there = fmt::format(
            "NOT ({})", transfer::image_differs(
                            column.read_type, fmt::format("CAST({} AS {})", *column.inverse, column.read_type), "$2"));
        const std::string back = fmt::format(
            "NOT ({})",
            transfer::image_differs(column.type, fmt::format("CAST({} AS {})", *column.expression, column.type),
                                    "($2)." + quote_identifier(column.name)));
        std::string held = "false";
        const auto bit = transfer::touched_bit(transfer, at);
        if (bit && transfer::is_held(column)) {
            sql += fill_template(templates::held, {{"job", quote_identifier(transfer.schema)},
                                                   {"number", std::to_string(at + 1)},
                                                   {"read_type", column.read_type},
                                                   {"write_type", column.type}});
            held = is_held_sql(transfer, at, *bit);
        }
        std::string tag = "pgeist";
        while ((there + back + held).find("$" + tag + "$") != std::string::npos) {
            tag += "_";
        }
        sql += fill_template(templates::unproven, {{"job", quote_identifier(transfer.schema)},
                                                   {"number", std::to_string(at + 1)},
                                                   {"read_type", column.read_type},
                                                   {"value", quote_identifier(*column.read_name)},
                                                   {"there", there},
                                                   {"back", back},
                                                   {"held", held},
                                                   {"quote", tag}});
    }
    return sql;
}

}  // namespace

std::string set_apart_tables_sql(const transfer::spec& transfer, const qualified_name& read_side,
                                 const qualified_name& write_side) {
    std::vector<std::string> written;
    for (const transfer::column& column : transfer.columns) {
        written.push_back("t." + quote_identifier(column.name));
    }
    std::vector<std::string> read;
    for (const std::string& name : transfer.read_columns) {
        read.push_back("t." + quote_identifier(name));
    }
    const std::string of_batch =
        transfer::logs_touched(transfer)
            ? fmt::format(", false AS made, {} AS touched, NULL::text[] AS held", transfer::none_touched(transfer))
            : std::string();
    return fill_template(templates::set_apart, {{"job", quote_identifier(transfer.schema)},
                                                {"table", write_side.sql()},
                                                {"read", read_side.sql()},
                                                {"kept", keep_statements(transfer).written_columns("t")},
                                                {"of_log", log_key(transfer.key)},
                                                {"of_batch", of_batch},
                                                {"log_columns", walk::log_columns(transfer.key)},
                                                {"read_columns", join(read, ", ")},
                                                {"write_columns", join(written, ", ")}}) +
           unproven_sql(transfer);
}

awaitable<unfit_look> look_at_unfit(pg::connection& session, const transfer::spec& transfer, int most) {
    unfit_look found;
    if (!transfer.sets_apart) {
        co_return found;
    }
    const std::string table = transfer.unfit().sql();
    std::string count = "SELECT count(*) FROM " + table;
    const pg::result total = co_await session.query(std::move(count));
    found.rows = total.integer(0, 0);
    if (found.rows == 0 || most == 0) {
        co_return found;  // asked under the swap's lock, too
    }
    std::string list = fmt::format("SELECT {} AS key, u.reason, u.state FROM {} AS u ORDER BY u.since, {} LIMIT {}",
                                   shown_key(transfer.key), table, walk::log_columns(transfer.key), most);
    const pg::result rows = co_await session.query(std::move(list));
    for (int row = 0; row < rows.rows(); ++row) {
        unfit_row each;
        each.key = rows.text(row, "key");
        each.reason = rows.text(row, "reason");
        each.sqlstate = rows.text(row, "state");
        found.first.push_back(std::move(each));
    }
    co_return found;
}

}  // namespace pgeist::replay
