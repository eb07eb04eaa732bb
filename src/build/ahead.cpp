#include <fmt/format.h>

#include "pgeist/build/index_builder.hpp"
#include "pgeist/job/store.hpp"

namespace pgeist::build {

awaitable<void> build_ahead(job::workspace& work) {
    if (work.plan.ahead.empty()) {
        co_return;
    }
    const auto session = co_await work.pool.acquire();
    std::exception_ptr failure;
    try {
        co_await session->begin();
        co_await job::require_tenure(*session, work.tenure());
        for (const plan::statement& each : work.plan.ahead) {
            work.progress.detail = "building " + each.label;
            co_await session->execute(each.sql);
        }
        co_await session->commit();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await session->rollback();
        std::rethrow_exception(failure);
    }
}

}  // namespace pgeist::build
