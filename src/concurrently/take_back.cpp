#include <fmt/format.h>

#include "leftovers.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/lock/politely.hpp"
#include "pgeist/pg/parallel.hpp"
#include "run.hpp"

namespace pgeist::concurrently {

namespace {

/// What a cleanup waits for one transaction of others: whoever asked for it sees who it is, and can ask again.
constexpr auto longest_cleanup_wait = std::chrono::minutes(1);

awaitable<void> drop_one(const audience& to, pg::connection& session, job::tenure mine, const leftover& left,
                         const entry& what) {
    std::string sql = "DROP INDEX CONCURRENTLY IF EXISTS " + left.name.sql();
    bool done = false;
    for (int tries = 1; !done; ++tries) {
        try {
            co_await run_watched(to, session, mine, sql, what);
            done = true;
        } catch (const gave_way&) {
            if (tries == most_tries) {
                throw;
            }
        }
        if (!done) {
            co_await pg::sleep_for(tries * pause_after_giving_way);
        }
    }
}

constexpr const char* names_sql = R"sql(
    SELECT format('ALTER TABLE %s DETACH PARTITION %s FINALIZE', $1::bigint::oid::regclass, $2::bigint::oid::regclass))sql";

awaitable<void> finalize(pg::connection& session, job::tenure mine, const entry& what) {
    const pg::result row = co_await session.query(names_sql, what.oid, what.table_oid);
    lock::policy rules;
    const auto ours = [&mine](pg::connection& used) { return job::require_tenure(used, mine); };
    std::optional<pg::sql_error> blocked = co_await lock::politely(session, row.text(0, 0), rules, ours);
    if (blocked) {
        throw error(exit_code::lock_not_obtained,
                    fmt::format("partition {} found no moment to be detached to the end: {}", what.name.display(),
                                blocked->what()),
                    "try again when those who read it are done: pgeist resume JOB, or pgeist cleanup JOB");
    }
}

}  // namespace

awaitable<void> take_back_one(audience to, pg::connection& session, job::tenure mine, const entry& what) {
    if (what.what == deed::detach) {
        const bool pending = co_await is_detach_pending(session, what);
        if (pending) {
            co_await finalize(session, mine, what);
        }
    }
    const std::vector<leftover> left = co_await find_leftovers(session, what);
    for (const leftover& each : left) {
        if (each.at_work) {
            to.observer.message(
                report::level::warning,
                fmt::format("index {} is being built by another session and is left to it", each.name.display()));
            continue;
        }
        co_await drop_one(to, session, mine, each, what);
        to.observer.message(report::level::info,
                            fmt::format("index {}, which was invalid, is dropped", each.name.display()));
    }
    co_await remove(session, mine, what);
}

awaitable<void> take_back_known(audience to, pg::connection& session, job::tenure mine, entry about) {
    const std::vector<entry> known = co_await load(session, mine.job);
    for (const entry& each : known) {
        if (each.key() == about.key()) {
            co_await take_back_one(to, session, mine, each);
        }
    }
}

awaitable<void> take_back(workspace& work) {
    const auto session = co_await work.pool.acquire();
    const std::vector<entry> all = co_await load(*session, work.mine.job);
    for (const entry& each : all) {
        co_await take_back_one(audience_of(work), *session, work.mine, each);
    }
}

awaitable<void> forget(pg::connection& session, job::tenure mine) {
    co_await session.query("UPDATE pgeist.jobs SET builds = '{}' WHERE id = $1 AND incarnation = $2 AND builds <> '{}'",
                           mine.job, mine.incarnation);
}

namespace {

/// What stands in the row of a state that is somebody else's leads to indexes of its owner's tables only.
awaitable<bool> is_owners(pg::connection& session, const entry& what) {
    const pg::result row = co_await session.query(
        "SELECT coalesce((SELECT c.relowner = n.nspowner FROM pg_class c, pg_namespace n WHERE n.nspname = 'pgeist' "
        "AND "
        "c.oid = $1::bigint::oid), true)",
        what.table_oid);
    co_return row.boolean(0, 0);
}

}  // namespace

awaitable<void> undo(task::undo_context& at) {
    audience to{at.pool, at.observer};
    to.longest_wait = longest_cleanup_wait;
    const std::vector<entry> all = co_await load(at.session, at.mine.job);
    for (const entry& each : all) {
        const bool may = at.own_state || co_await is_owners(at.session, each);
        if (!may) {
            at.observer.message(
                report::level::warning,
                fmt::format("job {} may have left an invalid index in the place of {}, whose table is not "
                            "of the role that owns schema pgeist: it is left",
                            at.mine.job, each.name.display()));
            continue;
        }
        co_await take_back_one(to, at.session, at.mine, each);
    }
}

}  // namespace pgeist::concurrently
