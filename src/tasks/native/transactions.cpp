#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "executors.hpp"
#include "made.hpp"
#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/steps/kept_in_step.hpp"
#include "pgeist/swap/old_snapshots.hpp"
#include "planned.hpp"
#include "targets.hpp"

namespace pgeist::native {

namespace {

using clock = deadline::clock;
constexpr int most_tries = 20;  // with the locks had, and something else in the way

/// One try of an action's transaction.
struct attempt {
    const task::context& with;
    steps::step& of;
    int at;
    pg::connection& session;
    bool hides_rows = false;             ///< from whoever has an older snapshot, and looks at the table only then
    std::optional<steps::step> noted{};  ///< the step with what its transaction has made, once it commits

    [[nodiscard]] const steps::action& what() const { return of.actions[static_cast<std::size_t>(at)]; }
};

/// The statement that failed, in the words of the user.
std::exception_ptr named(const pg::sql_error& problem, const std::string& statement) {
    const std::string detail = problem.diag().detail.empty() ? "" : "; " + problem.diag().detail;
    return std::make_exception_ptr(error(
        exit_code::failed, fmt::format("{}{}: {}", problem.diag().message, detail, statement), problem.diag().hint));
}

/// What the action has made, for those who come later: taken down in its transaction.
awaitable<void> note_made(attempt& now) {
    if (!makes_something(now.what())) {
        co_return;
    }
    steps::step noted = now.of;
    auto made = co_await find_made(now.session, now.of.table, now.what());
    noted.actions[static_cast<std::size_t>(now.at)].made = std::move(made);
    co_await steps::save_plan(now.session, now.with.mine.job, noted);
    now.noted = std::move(noted);
}

/// What a bounded action may take. What only changes catalogs is quick wherever the server is well; then the limit is
/// the one that the swap has, too.
std::chrono::milliseconds limit_of(const attempt& now) {
    constexpr int times_lock_timeout = 10;
    const steps::step& of = now.of;
    const bool works =
        of.how == steps::method::native && !(of.rewrites.empty() && of.scans.empty() && of.builds.empty());
    const std::chrono::milliseconds allowed = now.with.chosen.max_block;
    return works ? allowed : std::max(allowed, times_lock_timeout * now.with.chosen.lock_timeout);
}

bool is_role_setting(const std::string& name) { return name == "role" || name == "session_authorization"; }

/// The statements of one transaction, and what is left of the time that they have together.
struct script {
    std::vector<std::string> statements;
    std::chrono::milliseconds limit;
    clock::duration worked{};
};

/// @throws too_slow; error naming the statement; sql_error
awaitable<void> run_one(attempt& now, script& of, const std::string& sql) {
    const bool bounded = now.what().bounded;
    if (bounded && of.worked.count() > 0) {
        const auto left = of.limit - std::chrono::duration_cast<std::chrono::milliseconds>(of.worked);
        co_await now.session.execute(
            fmt::format("SET LOCAL statement_timeout = {}", std::max<long long>(1, left.count())));
    }
    const auto began = clock::now();
    std::exception_ptr failure;
    try {
        co_await now.session.execute(sql);
    } catch (const pg::sql_error& problem) {
        const auto took = of.worked + (clock::now() - began);
        if (bounded && problem.is(pg::sqlstate::query_canceled) && took >= of.limit * 9 / 10) {
            throw too_slow(exit_code::failed,
                           fmt::format("it takes longer than --max-block allows ({})", format_duration(of.limit)),
                           "allow it more time with --max-block, or a copy with --method auto");
        }
        if (problem.passing() || problem.poisons_connection()) {
            throw;
        }
        failure = named(problem, sql);
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    of.worked += clock::now() - began;
}

/// In the transaction that is open, under the locks. @throws too_slow; error naming the statement; sql_error
awaitable<void> run_statements(attempt& now) {
    co_await job::require_tenure(now.session, now.with.mine);
    co_await require_same_table(now.session, now.with.mine.job, now.of);
    script all{{}, limit_of(now)};
    all.statements = co_await statements_now(now.session, now.of, now.at);
    const auto kept = co_await steps::kept_columns(now.session);
    std::string settings = users_settings_sql(now.of, settings_hold::in_transaction);
    settings += fmt::format("; SET LOCAL statement_timeout = {}", now.what().bounded ? all.limit.count() : 0);
    co_await now.session.execute(std::move(settings));
    co_await require_same_names(now.session, now.of);
    for (const std::string& each : all.statements) {
        co_await run_one(now, all, each);
    }
    // Whoever the statements have made of us.
    co_await now.session.execute(
        "SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL role TO DEFAULT; "
        "SET LOCAL search_path TO pg_catalog; SET LOCAL statement_timeout TO 0; SET CONSTRAINTS ALL IMMEDIATE");
    co_await steps::require_kept(now.session, kept);
    co_await note_made(now);
    co_await record(now.session, now.with, now.of, now.at,
                    std::chrono::duration_cast<std::chrono::milliseconds>(all.worked));
}

/// @returns what was in the way, if anything; no transaction is open afterwards
awaitable<std::optional<pg::sql_error>> try_once(attempt& now) {
    std::optional<pg::sql_error> blocked;
    const auto body = [&] { return run_statements(now); };
    now.noted.reset();
    try {
        co_await pg::conclude(now.session, body);
        if (now.noted) {
            now.of = std::move(*now.noted);
        }
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection() || !problem.passing()) {
            throw;
        }
        blocked = problem;
    }
    co_return blocked;
}

lock::policy policy_of(const run::settings& chosen) {
    lock::policy rules;
    rules.lock_timeout = chosen.lock_timeout;
    rules.attempts = chosen.swap_attempts;
    rules.max_wait = chosen.swap_max_wait;
    return rules;
}

/// Begins a transaction, with the locks where there are any to be had.
awaitable<void> begin(attempt& now, pg::connection& observer_session, const lock::target& wanted,
                      const lock::policy& rules) {
    if (is_empty(wanted)) {
        co_await now.session.begin();
        if (now.what().kind == steps::action_kind::transaction || now.what().short_waits) {
            co_await now.session.execute(fmt::format("SET LOCAL lock_timeout = {}", rules.lock_timeout.count()));
        }
        co_return;
    }
    co_await lock::acquire(now.session, observer_session, wanted, rules, now.with.chosen.blocked, now.with.observer,
                           &now.with.chosen);
}

/// A table that is written anew is empty for older snapshots; one without rows is so anyway.
awaitable<bool> would_hide_rows(pg::connection& session, const steps::step& of) {
    if (of.how != steps::method::native || of.rewrites.empty()) {
        co_return false;
    }
    std::string names = pg::array_literal(of.rewrites);
    const pg::result row = co_await session.query(
        "SELECT coalesce(bool_or(pg_relation_size(to_regclass(name)) > 0), false) FROM unnest($1::text[]) AS name",
        std::move(names));
    co_return row.boolean(0, 0);
}

awaitable<void> wait_for_snapshots(attempt& now) {
    if (now.hides_rows) {
        concurrently::workspace work = workspace_of(now.with);
        std::string why = fmt::format("would find {} empty", now.of.table);
        co_await concurrently::wait_for_snapshots(work, swap::old_snapshots::of::those_who_go_on, std::move(why));
    }
}

/// With the locks in hand: what came since, and might look at the table next.
awaitable<std::vector<report::blocker>> snapshots_again(attempt& now, pg::connection& observer_session) {
    std::vector<report::blocker> holders;
    if (now.hides_rows && !now.with.chosen.ignore_old_snapshots) {
        holders = co_await swap::old_snapshots::held_between_statements(observer_session);
    }
    if (!holders.empty()) {
        co_await now.session.rollback();
    }
    co_return holders;
}

/// With everything asked for in hand, something that nobody could name was in the way.
awaitable<void> retry(attempt& now, const lock::target& wanted) {
    const auto observer_session = co_await now.with.pool.acquire();
    lock::policy rules = policy_of(now.with.chosen);
    co_await lock::fit_to_server(now.session, rules);
    const auto began = clock::now();
    const int most = now.what().short_waits ? now.with.chosen.swap_attempts : most_tries;
    std::string in_the_way;
    for (int tries = 1; tries <= most && clock::now() - began < now.with.chosen.swap_max_wait; ++tries) {
        co_await wait_for_snapshots(now);
        co_await begin(now, *observer_session, wanted, rules);
        auto blockers = co_await snapshots_again(now, *observer_session);
        if (blockers.empty()) {
            const auto blocked = co_await try_once(now);
            if (!blocked) {
                co_return;
            }
            in_the_way = fmt::format("a lock that the statement takes besides was not to be had: {}", blocked->what());
            blockers = co_await lock::find_blockers(*observer_session, wanted, now.session.backend_pid());
        } else {
            in_the_way = fmt::format("a snapshot that would find {} empty is still held: {}", now.of.table,
                                     lock::describe(blockers.front()));
        }
        const auto waited = std::chrono::duration_cast<report::milliseconds>(clock::now() - began);
        now.with.observer.lock_waited(tries, waited, blockers);
        co_await pg::sleep_for(std::chrono::milliseconds(50) * std::min(tries, most_tries));
    }
    throw error(exit_code::lock_not_obtained, in_the_way,
                "nothing was changed by this step; go on with: pgeist resume JOB");
}

/// Statements that are refused in a transaction block; recorded when they are done.
awaitable<void> run_alone(attempt& now) {
    std::string settings = users_settings_sql(now.of, settings_hold::in_session);
    const auto own = co_await now.with.pool.open_own(job::session_name(now.with.mine.job));
    co_await own->execute(std::move(settings));
    std::exception_ptr failure;
    try {
        co_await own->execute(now.what().statements.front());
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
        failure = named(problem, now.what().statements.front());
    }
    if (failure) {
        std::rethrow_exception(failure);
    }
    const auto recording = [&] { return record(now.session, now.with, now.of, now.at); };
    co_await pg::transaction(now.session, pg::isolation::read_committed, recording);
}

}  // namespace

std::string users_settings_sql(const steps::step& of, settings_hold how) {
    const char* set = how == settings_hold::in_transaction ? "SET LOCAL" : "SET";
    std::string sql;
    for (const char* name : steps::settings_of_user) {
        sql += fmt::format("{}{} {} TO DEFAULT", sql.empty() ? "" : "; ", set, name);
    }
    for (const auto& [name, value] : of.session) {
        if (how == settings_hold::in_session_of_the_job && is_role_setting(name)) {
            continue;
        }
        sql += fmt::format("; SELECT pg_catalog.set_config({}, {}, {})", quote_literal(name), quote_literal(value),
                           how == settings_hold::in_transaction);
        if (name == "role") {  // nothing else than who we are already: it would hide that there is no SET ROLE
            sql += fmt::format(" WHERE current_user <> {}", quote_literal(value));
        }
    }
    return sql;
}

awaitable<void> transactions::carry_out(const task::context& with, steps::step& of, int at) {
    if (of.actions.at(static_cast<std::size_t>(at)).as_is) {
        const auto own = co_await with.pool.open_own(job::session_name(with.mine.job));
        attempt now{with, of, at, *own};
        const lock::target nothing;
        co_await retry(now, nothing);
        co_return;
    }
    const auto session = co_await with.pool.acquire();
    attempt now{with, of, at, *session};
    if (now.what().kind == steps::action_kind::run_alone) {
        co_await run_alone(now);
        co_return;
    }
    now.hides_rows = co_await would_hide_rows(*session, of);
    const lock::target wanted = co_await target_for(*session, now.what().locks);
    co_await retry(now, wanted);
}

}  // namespace pgeist::native
