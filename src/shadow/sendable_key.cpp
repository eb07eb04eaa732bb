#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "steps.hpp"

namespace pgeist::shadow {

namespace {

constexpr int shows_any_byte = 15;  // from this version on "char" is printed as \ooo where it must be

}  // namespace

awaitable<void> require_sendable_key(site& at, const plan::key& walked) {
    if (at.conn.server_major() >= shows_any_byte) {
        co_return;
    }
    for (const auto& column : walked.columns) {
        if (column.type != "\"char\"") {
            continue;
        }
        const auto rows = co_await at.conn.query(fmt::format(
            "SELECT pg_encoding_max_length(encoding) > 1 AND EXISTS (SELECT FROM ONLY {} WHERE {}::int4 < 0) FROM "
            "pg_database WHERE datname = current_database()",
            at.source.name.sql(), quote_identifier(column.source_name)));
        if (rows.boolean(0, 0)) {
            throw error(exit_code::refused,
                        fmt::format("column {} of key {}, of type \"char\", holds bytes above 127, which PostgreSQL {} "
                                    "gives as text that it does not take back",
                                    display_identifier(column.source_name), display_identifier(walked.index),
                                    at.conn.server_major()),
                        "use another unique index: --key INDEX");
        }
    }
}

}  // namespace pgeist::shadow
