#include "pgeist/transfer/replay/moved_rows.hpp"

#include <fmt/format.h>

#include "pgeist/job/in_tenure.hpp"
#include "pgeist/transfer/replay/replay_sql.hpp"

namespace pgeist::replay {

namespace {

/// The write side has no key yet. Where a publication takes in all tables, the server refuses a DELETE without an
/// identity. One by an index is given to it when that is built.
awaitable<void> delete_logged(pg::connection& session, const transfer::spec& transfer) {
    const std::string identity = fmt::format("ALTER TABLE {} REPLICA IDENTITY ", transfer.write.name.sql());
    const pg::result row = co_await session.query(
        "SELECT CASE relreplident WHEN 'f' THEN 'FULL' WHEN 'n' THEN 'NOTHING' ELSE 'DEFAULT' END FROM pg_class "
        "WHERE oid = $1::text::regclass",
        transfer.write.name.sql());
    const std::string usual = row.text(0, 0);
    // There is no index yet: each key would be looked for in the whole table.
    co_await session.execute("SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'");
    co_await session.execute(identity + "FULL");
    co_await session.query(delete_without_index_sql(transfer));
    co_await session.execute(identity + usual);
}

}  // namespace

awaitable<void> delete_moved_rows(transfer::workspace& work) {
    const auto session = co_await work.pool.acquire();
    work.progress.detail = "deleting rows that were changed while they were copied";
    const auto deletion = [&] { return delete_logged(*session, work.transfer); };
    co_await job::in_tenure(*session, work.tenure(), pg::isolation::read_committed, deletion);
}

}  // namespace pgeist::replay
