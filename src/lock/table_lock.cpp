#include "pgeist/lock/table_lock.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::lock {

namespace {

constexpr milliseconds longest_no_wait{10};  // for what knows no NOWAIT: less than anybody notices
constexpr int attempts_before_force = 3;     // waiting attempts that fail before --on-blocked acts

std::string mode_name(mode value) {
    constexpr const char* names[] = {"ROW SHARE",           "ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE", "SHARE",
                                     "SHARE ROW EXCLUSIVE", "EXCLUSIVE",     "ACCESS EXCLUSIVE"};
    return names[static_cast<std::size_t>(value)];
}

std::vector<std::string> tables_of(const target& wanted) {
    std::vector<std::string> names;
    for (const qualified_name& each : wanted.parents) {
        names.push_back("ONLY " + each.sql());
    }
    for (const qualified_name& each : wanted.tables) {
        names.push_back(each.sql());
    }
    return names;
}

std::string tables_sql(const target& wanted) { return join(tables_of(wanted), ", "); }

/// SQL condition on pg_locks: what does not go together with this mode.
std::string conflicting_modes(mode value) {
    switch (value) {
        case mode::row_share:
            return "l.mode IN ('ExclusiveLock', 'AccessExclusiveLock')";
        case mode::row_exclusive:
            return "l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')";
        case mode::share_update_exclusive:
            return "l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'RowExclusiveLock')";
        case mode::share:
            return "l.mode NOT IN ('AccessShareLock', 'RowShareLock', 'ShareLock')";
        case mode::share_row_exclusive:
            return "l.mode NOT IN ('AccessShareLock', 'RowShareLock')";
        case mode::exclusive:
            return "l.mode <> 'AccessShareLock'";
        case mode::access_exclusive:
            break;
    }
    return "true";
}

/// Waiting for such a lock holds up no reader and no writer.
bool is_harmless(const target& wanted) { return wanted.mode <= mode::share_update_exclusive; }

}  // namespace

namespace {

/// `SET LOCAL` for both timeouts: one statement may wait for several tables in turn.
std::string timeouts_sql(milliseconds time) {
    return fmt::format("SET LOCAL lock_timeout = {0}; SET LOCAL statement_timeout = {0}; ", time.count());
}

// Longer than any pause between two statements of a healthy program, shorter than what anybody would call an outage.
constexpr milliseconds longest_silence{2000};

/// Autovacuum in the way of several tables: one after the other, and given back before the next one. Who waits for this
/// long for one while holding another is in a circle with whoever locks both in another order.
std::string past_vacuum_sql(const target& wanted) {
    const std::vector<std::string> tables = tables_of(wanted);
    if (tables.size() == 1) {
        return fmt::format("LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE; ", tables.front());
    }
    std::string sql;
    for (const std::string& each : tables) {
        sql += fmt::format(
            "SAVEPOINT pgeist_vacuum; LOCK TABLE {} IN SHARE UPDATE EXCLUSIVE MODE; "
            "ROLLBACK TO SAVEPOINT pgeist_vacuum; RELEASE SAVEPOINT pgeist_vacuum; ",
            each);
    }
    return sql;
}

/// What is waited for without holding up the application: our own table, and autovacuum in the way.
std::string harmless_locks_sql(const target& wanted, attempt how) {
    std::string sql;
    for (const qualified_name& each : wanted.own) {
        sql += fmt::format("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE; ", each.sql());
    }
    const bool tables = !wanted.parents.empty() || !wanted.tables.empty();
    if (tables && !is_harmless(wanted) && how.timeout.count() > 0 && how.timeout < how.vacuum_timeout) {
        sql += past_vacuum_sql(wanted);
    }
    return under_strong_lock_sql() + (sql.empty() ? sql : timeouts_sql(how.vacuum_timeout) + sql);
}

/// What is asked for in turn. Views come first: who reads one holds its lock and then wants the tables'.
std::vector<std::string> stages(const target& wanted, bool waits) {
    std::string by_statement;
    for (const pg::statement& each : wanted.lock_statements) {
        by_statement += each.sql + "; ";
    }
    std::string sequences;
    for (const pg::statement& each : wanted.sequences) {
        sequences += each.sql + "; ";
    }
    const char* const how = waits ? "" : " NOWAIT";
    std::string tables;
    if (!wanted.parents.empty() || !wanted.tables.empty()) {
        tables = fmt::format("LOCK TABLE {} IN {} MODE{}; ", tables_sql(wanted), mode_name(wanted.mode), how);
    }
    for (const weaker_lock& each : wanted.weaker) {
        tables += fmt::format("LOCK TABLE ONLY {} IN {} MODE{}; ", each.table.sql(), mode_name(each.mode), how);
    }
    if (sequences.empty()) {
        return {by_statement + tables};
    }
    return wanted.tables_first ? std::vector{by_statement + tables, sequences}
                               : std::vector{by_statement + sequences, tables};
}

/// One statement, so that statement_timeout bounds all the waiting together: who waits for the first of the locks must
/// not wait for as long as all the others take.
std::string waiting_sql(const std::string& stage, milliseconds time) {
    const bool several = stage.find(';') + 2 < stage.size();
    return timeouts_sql(time) + (several ? fmt::format("DO {}; ", quote_literal("BEGIN " + stage + "END")) : stage);
}

/// Asks for everything in the transaction that is open; `obtained` counts the stages that are done.
awaitable<void> lock_all(pg::connection& session, const target& wanted, attempt how, std::size_t& obtained) {
    const bool waits = how.timeout.count() > 0;
    const std::vector<std::string> all = stages(wanted, waits);
    const milliseconds no_wait = std::min(longest_no_wait, how.timeout_afterwards);
    const auto until = deadline::clock::now() + how.timeout;
    for (const std::string& stage : all) {
        std::string sql = fmt::format("SET LOCAL lock_timeout = {}; ", no_wait.count()) + stage;
        if (waits) {
            const auto left = std::chrono::duration_cast<milliseconds>(until - deadline::clock::now());
            // The table's lock is had: who holds a sequence then without it mostly waits for the table himself.
            const bool behind_table = obtained > 0 && wanted.tables_first;
            sql = waiting_sql(stage, behind_table ? no_wait : std::max(left, milliseconds(1)));
        }
        if (obtained + 1 == all.size()) {
            // Nothing that follows under the lock may wait long for another one either.
            sql += fmt::format("SET LOCAL lock_timeout = {}; SET LOCAL statement_timeout = 0",
                               how.timeout_afterwards.count());
        }
        co_await session.execute(std::move(sql));
        ++obtained;
    }
}

}  // namespace

std::string under_strong_lock_sql() {
    // Locks are given up after the wait for a synchronous standby. `local`: nothing is lost by not waiting for it,
    // since no later commit, of anybody, reaches a standby before this one does.
    return fmt::format("SET LOCAL idle_in_transaction_session_timeout = {}; SET LOCAL synchronous_commit = local; ",
                       longest_silence.count());
}

awaitable<lock_result> try_locks(pg::connection& session, const target& wanted, attempt how) {
    if (wanted.is_single()) {
        how.timeout = std::max(how.timeout, how.timeout_alone);
    }
    if (is_harmless(wanted)) {
        how.timeout = how.vacuum_timeout;
    }
    std::exception_ptr failure;
    bool blocked = false;
    std::size_t obtained = 0;
    try {
        co_await session.begin();
        co_await session.execute(harmless_locks_sql(wanted, how));
        co_await lock_all(session, wanted, how, obtained);
    } catch (const pg::sql_error& error) {
        blocked = error.passing();
        failure = std::current_exception();
    } catch (...) {
        failure = std::current_exception();
    }
    if (failure) {
        co_await session.rollback();
        if (!blocked) {
            std::rethrow_exception(failure);
        }
        co_return obtained == 0 ? lock_result::blocked : lock_result::blocked_half_way;
    }
    co_return lock_result::locked;
}

awaitable<bool> try_lock(pg::connection& session, const target& wanted, attempt how) {
    const lock_result got = co_await try_locks(session, wanted, how);
    co_return got == lock_result::locked;
}

awaitable<std::vector<int>> count_holders(pg::connection& observer_session, std::vector<qualified_name> tables,
                                          int own_pid) {
    std::vector<std::string> names;
    for (const qualified_name& each : tables) {
        names.push_back(each.sql());
    }
    const std::string all = pg::array_literal(names);
    const pg::result rows = co_await observer_session.query(R"sql(
        SELECT (SELECT count(DISTINCT l.virtualtransaction) FROM pg_locks l
                 WHERE l.locktype = 'relation' AND l.granted AND l.relation = to_regclass(n.name)::oid
                   AND l.pid IS DISTINCT FROM $2
                   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))
          FROM unnest($1::text[]) WITH ORDINALITY AS n (name, place) ORDER BY n.place)sql",
                                                            all, own_pid);
    std::vector<int> counts;
    for (int row = 0; row < rows.rows(); ++row) {
        counts.push_back(static_cast<int>(rows.integer(row, 0)));
    }
    co_return counts;
}

awaitable<std::vector<report::blocker>> find_blockers(pg::connection& observer_session, const target& wanted,
                                                      int own_pid) {
    std::vector<std::string> names;
    for (const auto* tables : {&wanted.parents, &wanted.tables}) {
        for (const qualified_name& each : *tables) {
            names.push_back(each.sql());
        }
    }
    for (const auto* others : {&wanted.lock_statements, &wanted.sequences}) {
        for (const pg::statement& each : *others) {
            names.push_back(each.label);
        }
    }
    std::string weaker;
    for (const weaker_lock& each : wanted.weaker) {
        weaker += fmt::format(" OR (l.relation = to_regclass({})::oid AND {})", quote_literal(each.table.sql()),
                              conflicting_modes(each.mode));
    }
    std::string sql = fmt::format(R"sql(
        SELECT DISTINCT l.pid, coalesce(a.usename, p.owner, '?') AS usename, coalesce(a.application_name, '') AS application_name,
               coalesce(a.state, '?') AS state, left(regexp_replace(coalesce(a.query, ''), '\s+', ' ', 'g'), 200) AS query,
               coalesce(extract(epoch FROM clock_timestamp() - coalesce(a.xact_start, a.query_start, p.prepared)) * 1000, 0)::bigint AS age,
               quote_literal(p.gid) AS gid
        FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
        LEFT JOIN pg_locks x ON l.pid IS NULL AND x.pid IS NULL AND x.virtualtransaction = l.virtualtransaction
              AND x.locktype = 'transactionid'
        LEFT JOIN pg_prepared_xacts p ON p.transaction = x.transactionid
        WHERE l.locktype = 'relation' AND l.granted AND l.pid IS DISTINCT FROM $2
          AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
          AND ((l.relation IN (SELECT to_regclass(n)::oid FROM unnest($1::text[]) n) AND {}){})
        ORDER BY age DESC)sql",
                                  conflicting_modes(wanted.mode), weaker);
    const pg::result found = co_await observer_session.query(std::move(sql), pg::array_literal(names), own_pid);
    std::vector<report::blocker> blockers;
    for (int row = 0; row < found.rows(); ++row) {
        report::blocker each;
        each.pid = static_cast<int>(found.integer(row, "pid"));
        each.user = found.text(row, "usename");
        each.application = found.text(row, "application_name");
        each.state = found.text(row, "state");
        each.age = milliseconds(found.integer(row, "age"));
        each.query = found.text(row, "query");
        if (const auto gid = found.optional_text(row, "gid")) {
            each.pid = 0;
            each.other = "prepared transaction " + *gid;
            each.state = "prepared";
            each.query = fmt::format("COMMIT PREPARED {0} or ROLLBACK PREPARED {0} ends it", *gid);
        }
        blockers.push_back(std::move(each));
    }
    co_return blockers;
}

awaitable<std::vector<pg::statement>> lock_owned_sequences(pg::connection& session, std::int64_t table_oid) {
    // The owner that it has already: the lock is taken, and nothing is done.
    const pg::result found = co_await session.query(
        "SELECT format('%I.%I', n.nspname, s.relname) AS name, pg_get_userbyid(s.relowner) AS owner FROM pg_depend d "
        "JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S' JOIN pg_namespace n ON n.oid = s.relnamespace "
        "WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = "
        "$1::bigint::oid AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') ORDER BY n.nspname, s.relname",
        table_oid);
    std::vector<pg::statement> statements;
    for (int row = 0; row < found.rows(); ++row) {
        pg::statement each;
        each.label = found.text(row, "name");
        each.sql = fmt::format("ALTER SEQUENCE {} OWNER TO {}", each.label, quote_identifier(found.text(row, "owner")));
        statements.push_back(std::move(each));
    }
    co_return statements;
}

awaitable<bool> is_drawn_ahead(pg::connection& observer_session, const target& wanted) {
    std::vector<std::string> sequences;
    for (const pg::statement& each : wanted.sequences) {
        sequences.push_back(each.label);
    }
    const pg::result row = co_await observer_session.query(
        "WITH held AS MATERIALIZED (SELECT l.relation, l.virtualtransaction FROM pg_locks l WHERE l.locktype = "
        "'relation' AND l.granted AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())) "
        "SELECT EXISTS (SELECT FROM held s WHERE s.relation IN (SELECT to_regclass(n)::oid FROM unnest($1::text[]) n) "
        "AND NOT EXISTS (SELECT FROM held t WHERE t.relation = to_regclass($2)::oid AND t.virtualtransaction = "
        "s.virtualtransaction))",
        pg::array_literal(sequences), wanted.tables.front().sql());
    co_return row.boolean(0, 0);
}

awaitable<void> blocker_removal::remove(pg::connection& observer_session, std::vector<report::blocker> blockers,
                                        run::on_blocked how) {
    if (how == run::on_blocked::wait) {
        co_return;
    }
    std::string sql = "SELECT pg_cancel_backend($1)";
    if (how == run::on_blocked::terminate) {
        sql = "SELECT pg_terminate_backend($1)";
    }
    for (const report::blocker& each : blockers) {
        if (each.pid == 0) {
            continue;  // no session that could be ended
        }
        bool refused = false;
        try {
            co_await observer_session.query(sql, each.pid);
        } catch (const pg::sql_error& failure) {
            refused = failure.is(pg::sqlstate::insufficient_privilege);
            if (!refused) {
                throw;
            }
        }
        if (refused && refused_.insert(each.pid).second) {
            observer_->message(report::level::warning, fmt::format("this role may not end {}", describe(each)));
        }
    }
}

awaitable<void> fit_to_server(pg::connection& session, policy& rules) {
    // The application's check is the one that must not strike first: a role may have been given a shorter time.
    const pg::result row = co_await session.query(R"(
        SELECT setting::bigint AS own,
               (SELECT min(CASE WHEN time ~ '^[0-9]+$' THEN time::bigint
                                WHEN time ~ '^[0-9.]+ *(us|ms|s|min|h|d)$' THEN extract(epoch FROM time::interval) * 1000
                           END)::bigint
                  FROM pg_db_role_setting, unnest(setconfig) AS each, split_part(each, '=', 2) AS time
                 WHERE each LIKE 'deadlock_timeout=%'
                   AND setdatabase IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()))) AS of_others
          FROM pg_settings WHERE name = 'deadlock_timeout')");
    const milliseconds own(row.integer(0, 0));
    const milliseconds shortest = row.is_null(0, 1) ? own : milliseconds(row.integer(0, 1));
    rules.longest_timeout = std::min(own, shortest) * 8 / 10;
    rules.vacuum_timeout = own + milliseconds(500);
}

std::string describe(const report::blocker& blocker) {
    const std::string who = blocker.other.empty() ? fmt::format("pid {}", blocker.pid) : blocker.other;
    const bool aged = blocker.other.empty() || blocker.age.count() > 0;
    return fmt::format("{} (user {}{}{}, {}{}): {}", who, blocker.user, blocker.application.empty() ? "" : ", ",
                       blocker.application, blocker.state, aged ? " for " + format_duration(blocker.age) : "",
                       blocker.query);
}

void throw_not_obtained(int attempts, const std::vector<report::blocker>& blockers, const std::string& besides) {
    std::string who;
    for (const report::blocker& each : blockers) {
        who += (who.empty() ? "; in the way: " : "; ") + describe(each);
    }
    throw error(exit_code::lock_not_obtained,
                fmt::format("the lock was not to be had in {} attempts{}{}", attempts, who, besides),
                "end those transactions, or allow more with --swap-attempts, --swap-max-wait, --lock-timeout or "
                "--on-blocked cancel; "
                "then go on with: pgeist resume JOB");
}

awaitable<void> acquire(pg::connection& session, pg::connection& observer_session, target wanted, policy rules,
                        run::on_blocked blocked, report::observer& observer, const run::settings* follow) {
    schedule attempts(rules);
    const auto started = deadline::clock::now();
    std::vector<report::blocker> blockers;
    blocker_removal removal(observer);
    while (!attempts.exhausted() && deadline::clock::now() - started < rules.max_wait) {
        if (follow != nullptr) {
            attempts.follow(follow->lock_timeout, follow->swap_attempts);
            rules.max_wait = follow->swap_max_wait;
            blocked = follow->blocked;
        }
        const attempt how = attempts.next();
        co_await pg::sleep_for(how.pause);
        const bool obtained = co_await try_lock(session, wanted, how);
        if (obtained) {
            co_return;
        }
        if (how.timeout.count() > 0 || is_harmless(wanted) || attempts.exhausted()) {
            blockers = co_await find_blockers(observer_session, wanted, session.backend_pid());
            const auto waited = std::chrono::duration_cast<milliseconds>(deadline::clock::now() - started);
            observer.lock_waited(how.number, waited, blockers);
            if (how.number >= schedule::nowait_attempts + attempts_before_force) {
                co_await removal.remove(observer_session, blockers, blocked);
            }
        }
    }
    throw_not_obtained(attempts.made(), blockers);
}

}  // namespace pgeist::lock
