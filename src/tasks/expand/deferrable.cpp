#include <algorithm>

#include <fmt/format.h>

#include "locked.hpp"
#include "pgeist/concurrently/concurrently.hpp"
#include "store.hpp"
#include "work.hpp"

// A UNIQUE constraint that is DEFERRABLE can only be made of an index that checks at once, and while that is built, a
// statement which sets a value before it frees it would fail. So it is built while the new columns are empty: the
// trigger keeps them so, and NULLs never collide. The transaction that makes the constraint of the index also lets the
// trigger begin, under a lock that waits for all who have written before; the fill comes after it, and sees their rows.
namespace pgeist::expand {

namespace {

constexpr const char* has_constraint_sql =
    "SELECT EXISTS (SELECT FROM pg_constraint WHERE conrelid = $1::bigint::oid AND conname = $2 AND contype = 'u')";

awaitable<void> begin_to_keep_in_step(pg::connection& session, job::tenure mine, spec acting) {
    for (const twin_index& each : acting.indexes) {
        if (!each.deferrable.empty()) {
            co_await session.execute(fmt::format("ALTER TABLE {0} ADD CONSTRAINT {1} UNIQUE USING INDEX {1} {2}",
                                                 acting.table.sql(), quote_identifier(each.name), each.deferrable));
        }
    }
    acting.idle = false;
    co_await store_with_function(session, mine.job, acting);
    co_await concurrently::forget(session, mine);
}

}  // namespace

awaitable<void> work::make_deferrable() {
    if (!plan_.idle) {
        co_return;
    }
    const auto session = co_await with_.pool.acquire();
    concurrently::workspace at{with_.pool, mine_, with_.chosen, with_.observer, with_.progress, with_.steering};
    bool made = false;  // by an attempt whose answer was lost: all of them in one transaction
    for (const twin_index& each : plan_.indexes) {
        if (each.deferrable.empty() || made) {
            continue;
        }
        const pg::result there = co_await session->query(has_constraint_sql, plan_.source_oid, each.name);
        made = there.boolean(0, 0);
        if (!made) {
            concurrently::index_request wanted;
            wanted.table_oid = plan_.source_oid;
            wanted.name = {plan_.table.schema, each.name};
            wanted.create_sql = each.create_sql;
            wanted.for_constraint = true;
            co_await concurrently::create_index(at, *session, wanted);
        }
    }
    if (!made) {
        const std::function<awaitable<void>(pg::connection&)> body = [&](pg::connection& used) {
            return begin_to_keep_in_step(used, mine_, plan_);
        };
        co_await run_locked(with_.pool, *session, plan_.table, mine_, &with_.chosen, with_.observer, body);
    }
    plan_.idle = false;
}

}  // namespace pgeist::expand
