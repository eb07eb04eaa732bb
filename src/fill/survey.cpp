#include "pgeist/fill/survey.hpp"

#include <utility>

#include "pgeist/walk/boundary_finder.hpp"
#include "statements.hpp"

namespace pgeist::fill {

namespace {

constexpr std::int64_t rows_at_once = 50'000;
constexpr std::size_t most_named = 10;

constexpr const char* index_sql = R"(
    SELECT EXISTS (SELECT FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
                    WHERE i.indrelid = $1::bigint::oid AND i.indisvalid AND x.relname = $2))";

awaitable<void> look(pg::connection& session, const spec& of, walk::key_range range, survey& into) {
    walk::bound_sql sql = statements(of).differing(range);
    const pg::result row = co_await session.query_params(std::move(sql.sql), std::move(sql.values), deadline::never());
    into.differing += row.integer(0, "differing");
    if (row.integer(0, "differing") == 0) {
        co_return;
    }
    for (const std::string& key : row.array(0, "keys")) {
        if (into.keys.size() < most_named) {
            into.keys.push_back(key);
        }
    }
}

}  // namespace

awaitable<survey> look_over(pg::connection& session, spec of) {
    const pg::result there = co_await session.query(index_sql, of.source_oid, of.key.index);
    survey out;
    if (!there.boolean(0, 0)) {
        of.key.columns.clear();
        co_await look(session, of, walk::key_range(), out);
        co_return out;
    }
    co_await walk::prepare_for_bounds(session);
    std::vector<walk::key_range> everything(1);
    walk::boundary_finder finder(session, of.table, of.key, std::move(everything),
                                 of.partitioned ? walk::reach::with_partitions : walk::reach::only);
    for (auto range = co_await finder.next(rows_at_once); range; range = co_await finder.next(rows_at_once)) {
        co_await look(session, of, std::move(*range), out);
    }
    co_return out;
}

}  // namespace pgeist::fill
