#include "pgeist/replay/moved_rows.hpp"

#include "pgeist/job/store.hpp"
#include "pgeist/replay/replay_sql.hpp"

namespace pgeist::replay {

awaitable<void> delete_moved_rows(job::workspace& work) {
    const auto session = co_await work.pool.acquire();
    work.progress.detail = "deleting rows that were changed while they were copied";
    std::exception_ptr failure;
    try {
        co_await session->begin();
        co_await job::require_tenure(*session, work.tenure());
        // There is no index yet: each key would be looked for in the whole table.
        co_await session->execute("SET LOCAL enable_nestloop = off; SET LOCAL work_mem = '64MB'");
        co_await session->query(delete_without_index_sql(work.plan));
        co_await session->commit();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await session->rollback();
        std::rethrow_exception(failure);
    }
}

}  // namespace pgeist::replay
