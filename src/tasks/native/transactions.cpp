#include <algorithm>
#include <optional>

#include <boost/algorithm/string/predicate.hpp>
#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "executors.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/pg/parallel.hpp"
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
    std::optional<steps::step> renamed{};  ///< the step with the names that its transaction has given, once it commits

    [[nodiscard]] const steps::action& what() const { return of.actions[static_cast<std::size_t>(at)]; }
};

/// The statement that failed, in the words of the user.
std::exception_ptr named(const pg::sql_error& problem, const std::string& statement) {
    const std::string detail = problem.diag().detail.empty() ? "" : "; " + problem.diag().detail;
    return std::make_exception_ptr(error(
        exit_code::failed, fmt::format("{}{}: {}", problem.diag().message, detail, statement), problem.diag().hint));
}

/// Whether the action's transaction makes a constraint to which later actions refer.
bool makes_constraint(const steps::action& what) {
    return what.kind == steps::action_kind::transaction &&
           std::any_of(what.take_back.begin(), what.take_back.end(),
                       [](const std::string& each) { return each.find("{{made}}") != std::string::npos; });
}

void put_in(std::vector<std::string>& texts, const std::string& name) {
    for (std::string& text : texts) {
        boost::replace_all(text, "{{made}}", name);
    }
}

/// The constraint that the transaction has made, if later actions are to know: a name is the server's choice. They mean
/// it up to the next one that makes another.
awaitable<void> put_in_names(attempt& now) {
    if (!makes_constraint(now.what()) && now.what().take_back.empty()) {
        co_return;
    }
    const auto place = static_cast<std::size_t>(now.at);
    bool wanted = makes_constraint(now.what());
    for (std::size_t at = place + 1; at < now.of.actions.size() && !makes_constraint(now.of.actions[at]); ++at) {
        for (const std::string& each : now.of.actions[at].statements) {
            wanted = wanted || each.find("{{made}}") != std::string::npos;
        }
    }
    if (!wanted) {
        co_return;
    }
    const pg::result made = co_await now.session.query(
        "SELECT quote_ident(k.conname) FROM pg_constraint k WHERE k.xmin = pg_current_xact_id()::xid AND NOT "
        "k.convalidated AND k.conparentid = 0 AND k.coninhcount = 0 ORDER BY k.oid LIMIT 1");
    if (made.empty()) {
        throw error(exit_code::failed, "the constraint that was added is not there", "please report this");
    }
    const std::string name = made.text(0, 0);
    steps::step renamed = now.of;
    put_in(renamed.actions[place].take_back, name);
    for (std::size_t at = place + 1; at < renamed.actions.size() && !makes_constraint(renamed.actions[at]); ++at) {
        put_in(renamed.actions[at].statements, name);
        put_in(renamed.actions[at].take_back, name);
    }
    co_await now.session.query("UPDATE pgeist.steps SET plan = $3::jsonb WHERE job = $1 AND number = $2",
                               now.with.mine.job, now.of.number, steps::to_json(renamed));
    now.renamed = std::move(renamed);
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

/// Whether the transaction is another role's by now: by a SET further up in the file, or by this statement.
bool has_other_role(const steps::step& of) {
    return boost::algorithm::istarts_with(of.statement, "set") ||
           std::any_of(of.session.begin(), of.session.end(),
                       [](const auto& each) { return is_role_setting(each.first); });
}

/// In the transaction that is open, under the locks. @throws too_slow; error naming the statement; sql_error
awaitable<void> run_statements(attempt& now) {
    const auto limit = limit_of(now);
    co_await job::require_tenure(now.session, now.with.mine);
    std::string settings = users_settings_sql(now.of, settings_hold::in_transaction);
    const bool bounded = now.what().bounded;
    settings += fmt::format("; SET LOCAL statement_timeout = {}", bounded ? limit.count() : 0);
    co_await now.session.execute(std::move(settings));
    std::exception_ptr failure;
    clock::duration worked{};
    for (const std::string& each : now.what().statements) {
        const auto began = clock::now();
        try {
            co_await now.session.execute(each);
        } catch (const pg::sql_error& problem) {
            const auto took = clock::now() - began;
            if (bounded && problem.is(pg::sqlstate::query_canceled) && took >= limit * 9 / 10) {
                throw too_slow(exit_code::failed,
                               fmt::format("it takes longer than --max-block allows ({})", format_duration(limit)),
                               "allow it more time with --max-block, or a copy with --method auto");
            }
            if (problem.passing() || problem.poisons_connection()) {
                throw;
            }
            failure = named(problem, each);
        }
        if (failure) {
            std::rethrow_exception(failure);
        }
        worked += clock::now() - began;
    }
    if (has_other_role(now.of)) {
        co_await now.session.execute("SET LOCAL SESSION AUTHORIZATION DEFAULT; SET LOCAL role TO DEFAULT");
    }
    co_await now.session.execute(
        "SET LOCAL search_path TO pg_catalog; SET LOCAL statement_timeout TO 0; SET CONSTRAINTS ALL IMMEDIATE");
    co_await put_in_names(now);
    co_await record(now.session, now.with, now.of, now.at,
                    std::chrono::duration_cast<std::chrono::milliseconds>(worked));
}

/// @returns what was in the way, if anything; no transaction is open afterwards
awaitable<std::optional<pg::sql_error>> try_once(attempt& now) {
    std::optional<pg::sql_error> blocked;
    const auto body = [&] { return run_statements(now); };
    now.renamed.reset();
    try {
        co_await pg::conclude(now.session, body);
        if (now.renamed) {
            now.of = std::move(*now.renamed);
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
        if (now.what().kind == steps::action_kind::transaction) {
            co_await now.session.execute(fmt::format("SET LOCAL lock_timeout = {}", rules.lock_timeout.count()));
        }
        co_return;
    }
    co_await lock::acquire(now.session, observer_session, wanted, rules, now.with.chosen.blocked, now.with.observer,
                           &now.with.chosen);
}

/// With everything asked for in hand, something that nobody could name was in the way.
awaitable<void> retry(attempt& now, const lock::target& wanted) {
    const auto observer_session = co_await now.with.pool.acquire();
    lock::policy rules = policy_of(now.with.chosen);
    co_await lock::fit_to_server(now.session, rules);
    const auto began = clock::now();
    std::optional<pg::sql_error> blocked;
    for (int tries = 1; tries <= most_tries && clock::now() - began < now.with.chosen.swap_max_wait; ++tries) {
        co_await begin(now, *observer_session, wanted, rules);
        blocked = co_await try_once(now);
        if (!blocked) {
            co_return;
        }
        const auto waited = std::chrono::duration_cast<report::milliseconds>(clock::now() - began);
        const auto blockers = co_await lock::find_blockers(*observer_session, wanted, now.session.backend_pid());
        now.with.observer.lock_waited(tries, waited, blockers);
        co_await pg::sleep_for(std::chrono::milliseconds(50) * tries);
    }
    throw error(exit_code::lock_not_obtained,
                fmt::format("a lock that the statement takes besides was not to be had: {}", blocked->what()),
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
    for (const char* name : {"search_path", "default_tablespace", "default_table_access_method", "row_security",
                             "check_function_bodies"}) {
        sql += fmt::format("{}{} {} TO DEFAULT", sql.empty() ? "" : "; ", set, name);
    }
    for (const auto& [name, value] : of.session) {
        if (how == settings_hold::in_session_of_the_job && is_role_setting(name)) {
            continue;
        }
        sql += fmt::format("; SELECT pg_catalog.set_config({}, {}, {})", quote_literal(name), quote_literal(value),
                           how == settings_hold::in_transaction);
    }
    return sql;
}

awaitable<void> transactions::carry_out(const task::context& with, steps::step& of, int at) {
    const auto session = co_await with.pool.acquire();
    attempt now{with, of, at, *session};
    if (now.what().kind == steps::action_kind::run_alone) {
        co_await run_alone(now);
        co_return;
    }
    const lock::target wanted = co_await target_for(*session, now.what().locks);
    co_await retry(now, wanted);
}

}  // namespace pgeist::native
