#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

/// Walking an index whose order is not that of the file reads each block many times. What fits a quarter of the
/// server's cache stays there while it is walked. A copy in the order of the file deletes rows before there is a key to
/// identify them, for which the server has conditions where a publication takes in all tables.
constexpr const char* facts_sql = R"(
    SELECT m.amhandler = 'pg_catalog.heap_tableam_handler'::regproc AS is_heap,
           pg_relation_size(c.oid) > pg_size_bytes(current_setting('shared_buffers')) / 4 AS is_large,
           coalesce((SELECT abs(s.correlation) < 0.5 FROM pg_stats s
                      WHERE s.schemaname = n.nspname AND s.tablename = c.relname AND s.attname = $2
                        AND NOT s.inherited), false) AS is_scattered,
           EXISTS (SELECT FROM pg_publication WHERE puballtables) AS is_published
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_am m ON m.oid = c.relam
     WHERE c.oid = $1::bigint::oid)";

}  // namespace

awaitable<bool> copies_in_heap_order(build_context& at, const plan::key& walked) {
    if (at.change.order == plan::copy_order::key || at.change.order_by) {
        co_return false;
    }
    const auto facts = co_await at.conn.query(facts_sql, at.source.oid, walked.columns.at(0).read_name);
    const bool is_heap = facts.boolean(0, "is_heap");
    if (at.change.order == plan::copy_order::automatic) {
        co_return is_heap&& facts.boolean(0, "is_large") && facts.boolean(0, "is_scattered") &&
            !facts.boolean(0, "is_published");
    }
    co_await require_heap(at);
    co_return true;
}

awaitable<void> require_heap(build_context& at) {
    const auto facts = co_await at.conn.query(
        "SELECT m.amhandler = 'pg_catalog.heap_tableam_handler'::regproc AS is_heap, m.amname AS method FROM pg_class "
        "c "
        "JOIN pg_am m ON m.oid = c.relam WHERE c.oid = $1::bigint::oid",
        at.source.oid);
    if (!facts.boolean(0, "is_heap")) {
        throw error(exit_code::refused,
                    fmt::format("the access method {} of {} does not keep rows in blocks as heap does",
                                display_identifier(facts.text(0, "method")), at.source.name.display()),
                    "copy in the order of the key: --copy-order key, without --order-by");
    }
}

}  // namespace pgeist::target
