#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "run.hpp"

namespace pgeist::concurrently {

namespace {

constexpr const char* index_sql = R"sql(
    SELECT c.oid::bigint AS oid, i.indrelid::bigint AS table_oid
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_index i ON i.indexrelid = c.oid
     WHERE n.nspname = $1 AND c.relname = $2)sql";

constexpr const char* partition_sql = R"sql(
    SELECT h.inhrelid::bigint AS partition, h.inhparent::bigint AS parent, h.inhdetachpending AS pending
      FROM pg_inherits h
      JOIN pg_class p ON p.oid = h.inhparent JOIN pg_namespace pn ON pn.oid = p.relnamespace
      JOIN pg_class c ON c.oid = h.inhrelid JOIN pg_namespace cn ON cn.oid = c.relnamespace
     WHERE pn.nspname = $1 AND p.relname = $2 AND cn.nspname = $3 AND c.relname = $4)sql";

/// Which index, or partition's parent, an earlier attempt of the job was about; 0: there was none.
awaitable<std::int64_t> begun_before(pg::connection& session, std::int64_t job, const entry& about) {
    std::int64_t found = 0;
    const std::vector<entry> known = co_await load(session, job);
    for (const entry& each : known) {
        if (each.key() == about.key()) {
            found = each.oid;
        }
    }
    co_return found;
}

}  // namespace

awaitable<void> drop_index(workspace& work, pg::connection& session, qualified_name name) {
    const pg::result row = co_await session.query(index_sql, name.schema, name.name);
    entry about;
    about.what = deed::drop;
    about.name = name;
    const std::int64_t begun = co_await begun_before(session, work.mine.job, about);
    if (row.empty() || (begun != 0 && begun != row.integer(0, "oid"))) {
        co_return;  // an earlier attempt, or the server after it, has done it: what has the name now is another one
    }
    about.table_oid = row.integer(0, "table_oid");
    about.oid = row.integer(0, "oid");
    work.progress.detail = "dropping index " + name.display();
    const std::string sql = "DROP INDEX CONCURRENTLY IF EXISTS " + name.sql();
    co_await carry_out(work, session, sql, about);
    // It stays known until the step is recorded: whoever does it once more would find another index of that name.
}

awaitable<void> detach_partition(workspace& work, pg::connection& session, qualified_name parent,
                                 qualified_name partition) {
    const pg::result row =
        co_await session.query(partition_sql, parent.schema, parent.name, partition.schema, partition.name);
    if (row.empty()) {
        co_return;
    }
    entry about;
    about.what = deed::detach;
    about.table_oid = row.integer(0, "partition");
    about.name = partition;
    about.oid = row.integer(0, "parent");
    work.progress.detail = "detaching partition " + partition.display();
    if (row.boolean(0, "pending")) {
        co_await add(session, work.mine, about);
        co_await take_back_one(audience_of(work), session, work.mine, about);
        co_return;
    }
    const std::string sql =
        fmt::format("ALTER TABLE {} DETACH PARTITION {} CONCURRENTLY", parent.sql(), partition.sql());
    co_await carry_out(work, session, sql, about);
    co_await remove(session, work.mine, about);
}

}  // namespace pgeist::concurrently
