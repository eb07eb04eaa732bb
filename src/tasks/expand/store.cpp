#include "store.hpp"

#include "pgeist/job/record.hpp"
#include "sync_sql.hpp"

namespace pgeist::expand {

awaitable<void> store_with_function(pg::connection& session, std::int64_t job, const spec& plan) {
    const pg::result counter = co_await session.query("SELECT to_regclass($1)::oid::bigint", plan.counter().sql());
    co_await session.execute(function_sql(plan, counter.integer(0, 0)));
    co_await job::change_plan(session, job, to_json(plan));
}

}  // namespace pgeist::expand
