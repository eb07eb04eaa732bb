#include "pgeist/tasks/rewrite/preparation.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "blueprint.hpp"
#include "own_objects.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/check/among_members.hpp"
#include "pgeist/check/preflight.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/swap/exchange.hpp"
#include "pgeist/tasks/rewrite/back_log.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/transfer/capture/capture.hpp"

namespace pgeist::rewrite {

namespace {

awaitable<job::tenure> record_job(pg::connection& session, job::advisory_locks& hold, const catalog::relation& found,
                                  const plan::change_request& change, const run::settings& chosen, std::string kind) {
    co_await make_state(session);
    co_await job::require_own_state(session, found.oid);  // somebody may have been faster
    job::beginning what;
    what.kind = std::move(kind);
    what.table = found.name;
    what.table_oid = found.oid;
    what.change = plan::to_json(change);
    what.settings = chosen;
    what.phase = "prepare";
    const job::tenure first = co_await job::create(session, std::move(what));
    co_await job::claim_job(hold, first.job);
    co_return first;
}

awaitable<void> look_for_change(pg::connection& session, const plan::change_request& change,
                                std::optional<std::string>& into) {
    co_await session.execute("SET LOCAL lock_timeout = '5s'");
    auto profile = co_await pg::read_profile(session);
    co_await session.adopt(std::move(profile));
    const auto found = co_await catalog::find_table(session, change.table);
    if (!found || found->kind != 'r' || found->persistence == 't') {
        co_return;
    }
    co_await job::require_own_state(session, found->oid);
    const catalog::table source = co_await catalog::read_table(session, found->oid);
    const auto done = co_await job::find_done(session, plan::to_json(change), found->oid, source.fingerprint);
    if (done) {
        into = fmt::format("job {} has made this change to {}", *done, found->name.display());
        co_return;
    }
    const std::int64_t job = co_await job::next_number(session);
    into = co_await find_applied(session, source, change, job);
}

}  // namespace

awaitable<std::optional<std::string>> find_change(pg::connection& session, plan::change_request change) {
    std::optional<std::string> reason;
    const auto looking = [&] { return look_for_change(session, change, reason); };
    try {
        co_await pg::rolled_back(session, looking);
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
        reason.reset();  // it may be a change that a copy cannot be made of
    } catch (const cancelled&) {
        throw;
    } catch (const error&) {
        reason.reset();
    }
    co_return reason;
}

awaitable<void> require_sendable(pg::connection& session, std::string text) {
    std::string lacking;
    try {
        co_await session.query("SELECT $1::text", text);
    } catch (const pg::sql_error& failure) {
        if (!failure.is(pg::sqlstate::untranslatable_character)) {
            throw;
        }
        lacking = failure.diag().message;
    }
    if (!lacking.empty()) {
        throw error(exit_code::refused,
                    fmt::format("what was asked for cannot be stored in database {}: {}", session.database(), lacking),
                    "use characters that the database's encoding has, in options and comments too");
    }
}

std::vector<std::string> all_warnings(const preparation& made) {
    std::vector<std::string> all;
    for (const check::finding& each : made.findings) {
        if (each.severity == check::severity::warn) {
            all.push_back(each.hint.empty() ? each.message : each.message + "; " + each.hint);
        }
    }
    all.insert(all.end(), made.warnings.begin(), made.warnings.end());
    return all;
}

void throw_if_refused(const std::vector<check::finding>& findings) {
    std::string messages;
    std::string hints;
    for (const check::finding& each : findings) {
        if (each.severity == check::severity::refuse) {
            messages += (messages.empty() ? "" : "\n") + each.message;
            if (!each.hint.empty()) {
                hints += (hints.empty() ? "" : "\n") + each.hint;
            }
        }
    }
    if (!messages.empty()) {
        throw error(exit_code::refused, messages, hints);
    }
}

namespace {

constexpr int preparing_space = 0x70676569;  // that of the tables' locks, of which none has the OID 0

}  // namespace

awaitable<void> wait_for_turn(pg::connection& session) {
    bool taken = true;
    co_await session.execute("SET LOCAL lock_timeout = '60s'");
    try {
        co_await session.query("SELECT pg_advisory_xact_lock($1::int4, 0)", preparing_space);
    } catch (const pg::sql_error& problem) {
        taken = false;
        if (!problem.is(pg::sqlstate::lock_not_available)) {
            throw;
        }
    }
    if (!taken) {
        throw error(exit_code::lock_not_obtained, "another run of pgeist has been preparing for a minute",
                    "see whether it is stuck: pg_locks shows its advisory lock, pg_stat_activity the session");
    }
    co_await session.execute("SET LOCAL lock_timeout = '5s'");
}

namespace {

// Whoever keeps ACCESS SHARE from others.
constexpr const char* exclusive_locks_sql = R"(
    SELECT DISTINCT l.relation::regclass::text AS relation, l.pid, coalesce(a.usename, '?') AS usename
      FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
     WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.granted AND l.pid <> pg_backend_pid()
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()) AND l.relation >= 16384
     ORDER BY 1, 2 LIMIT 5)";

}  // namespace

awaitable<void> throw_not_readable(pg::connection& session, qualified_name table) {
    const pg::result rows = co_await session.query(exclusive_locks_sql);
    std::string who;
    for (int row = 0; row < rows.rows(); ++row) {
        who += fmt::format("{}pid {} (user {}) holds ACCESS EXCLUSIVE on {}", row == 0 ? ": " : "; ",
                           rows.integer(row, "pid"), rows.text(row, "usename"), rows.text(row, "relation"));
    }
    throw error(exit_code::lock_not_obtained,
                fmt::format("{}, or something tied to it, could not be looked at within 5s{}", table.display(), who),
                "end that transaction, or try again later; nothing was done");
}

namespace {

/// By it the job's own sessions get past the wall around the table that was replaced. Kept with the job alone; jobs of
/// tables that are exchanged together have one, since the same sessions write to all of them.
struct pass {
    std::string text;
    std::string digest;
};

awaitable<pass> make_pass(pg::connection& session) {
    const pg::result row = co_await session.query(
        "SELECT pass, encode(sha256(convert_to(pass, 'UTF8')), 'hex') FROM (SELECT replace(gen_random_uuid()::text || "
        "gen_random_uuid()::text, '-', '') AS pass) AS made");
    pass made;
    made.text = row.text(0, 0);
    made.digest = row.text(0, 1);
    co_return made;
}

}  // namespace

namespace {

/// A table on its way to being a job.
struct candidate {
    plan::change_request change;
    std::string kind;
    std::optional<catalog::relation> found;
    std::optional<catalog::table> source;
    job::tenure first;
    preparation out;
};

awaitable<void> look_at(pg::connection& session, job::advisory_locks* hold, candidate& one, std::int64_t job) {
    co_await require_sendable(session, plan::to_json(one.change));
    one.found = co_await catalog::find_table(session, one.change.table);
    const auto& found = one.found;
    const std::int64_t table_oid = found ? found->oid : 0;
    co_await job::require_own_state(session, table_oid);
    if (found && (found->kind == 'r' || found->kind == 'p') && found->persistence != 't') {
        if (hold != nullptr) {
            co_await job::claim_table(*hold, found->oid, found->name);
        }
        one.source = co_await catalog::read_table(session, found->oid);
    }
    one.out.job = job;
    const catalog::table* description = one.source ? &*one.source : nullptr;
    one.out.findings = co_await check::run_preflight(session, found, description, one.change, job);
    if (check::refuses(one.out.findings) || !one.source || one.change.repack) {
        co_return;
    }
    const auto done = co_await job::find_done(session, plan::to_json(one.change), found->oid, one.source->fingerprint);
    if (done) {
        one.out.nothing_to_do = fmt::format("job {} has made this change to {}", *done, found->name.display());
    }
}

bool is_refused(const candidate& one) { return check::refuses(one.out.findings) || !one.source; }

awaitable<bool> tables_may_go_together(pg::connection& session, std::vector<candidate>& all) {
    std::vector<std::int64_t> oids;
    for (const candidate& each : all) {
        oids.push_back(each.source->oid);
    }
    auto found = co_await check::check_among_members(session, std::move(oids));
    auto& findings = all.front().out.findings;
    findings.insert(findings.end(), found.begin(), found.end());
    co_return !check::refuses(findings);
}

void take(candidate& one, prepared& made, const pg::session_profile& profile) {
    one.out.nothing_to_do = std::move(made.nothing_to_do);
    one.out.warnings = std::move(made.warnings);
    one.out.statements = std::move(made.statements);
    one.out.blueprint = std::move(made.blueprint);
    one.out.blueprint->profile = profile;
    one.out.way_back_told = std::move(made.way_back_told);
}

awaitable<void> store(pg::connection& session, candidate& one, const std::optional<plan::revert_plan>& way_back,
                      const pass& for_all) {
    plan::blueprint& blueprint = *one.out.blueprint;
    co_await make_log(session, blueprint);
    if (way_back) {
        blueprint.profile.set(swap::pass_setting, for_all.text);
        blueprint.pass_digest = for_all.digest;
        co_await make_back_log(session, way_back->back, blueprint.shadow(), blueprint.table);
        co_await job::save_way_back(session, one.first, plan::to_json(*way_back));
    }
    co_await job::save_plan(session, one.out.job, plan::to_json(blueprint), blueprint.estimated_rows);
    co_await job::save_phase(session, one.first, "capture");
}

/// The log and what else is the job's own, stored where `hold` has its locks.
awaitable<void> complete(pg::connection& session, const job::advisory_locks* hold, candidate& one, prepared& made,
                         const pass& for_all) {
    take(one, made, session.profile());
    if (one.out.nothing_to_do) {
        co_return;
    }
    const transfer::spec rows = one.out.blueprint->transfer();
    one.out.key_numbers = co_await capture::read_key_numbers(session, rows, one.out.blueprint->table);
    std::optional<transfer::spec> back;
    if (made.way_back) {
        back = made.way_back->back;
    }
    co_await try_own_objects(session, *one.out.blueprint, std::move(back));
    if (hold != nullptr) {
        co_await store(session, one, made.way_back, for_all);
    }
}

awaitable<void> build(pg::connection& session, job::advisory_locks* hold, std::vector<candidate>& all,
                      const run::settings& chosen) {
    for (candidate& one : all) {
        if (hold != nullptr) {
            one.first = co_await record_job(session, *hold, *one.found, one.change, chosen, one.kind);
            one.out.job = one.first.job;
        }
    }
    std::vector<wanted_shadow> wanted;
    for (const candidate& one : all) {
        wanted.push_back({&*one.source, &one.change, one.out.job, &chosen});
    }
    auto made = co_await build_shadows(session, std::move(wanted));
    const bool none_done =
        std::none_of(made.begin(), made.end(), [](const prepared& each) { return each.nothing_to_do.has_value(); });
    const pass for_all = co_await make_pass(session);
    for (std::size_t place = 0; place < all.size(); ++place) {
        if (none_done || all.size() == 1) {
            co_await complete(session, hold, all[place], made[place], for_all);
        } else {
            all[place].out.nothing_to_do = std::move(made[place].nothing_to_do);
        }
    }
}

}  // namespace

awaitable<std::vector<preparation>> prepare_together(pg::connection& session, job::advisory_locks* hold,
                                                     std::vector<wanted_job> wanted, run::settings chosen) {
    if (hold != nullptr) {
        co_await wait_for_turn(session);
    }
    // Values are converted the same way from here to the end of the job, whatever becomes of the defaults.
    auto profile = co_await pg::read_profile(session);
    co_await session.adopt(std::move(profile));
    co_await require_sendable(session, run::to_json(chosen));
    std::vector<candidate> all(wanted.size());
    std::int64_t job = co_await job::next_number(session);
    bool refused = false;
    bool done = false;
    for (std::size_t place = 0; place < all.size(); ++place) {
        all[place].change = std::move(wanted[place].change);
        all[place].kind = std::move(wanted[place].kind);
        co_await look_at(session, hold, all[place], job++);
        refused = refused || is_refused(all[place]);
        done = done || all[place].out.nothing_to_do;
    }
    if (!refused && !done && all.size() > 1) {
        const bool together = co_await tables_may_go_together(session, all);
        refused = !together;
    }
    if (!refused && !done) {
        co_await build(session, hold, all, chosen);
    }
    std::vector<preparation> results;
    for (candidate& one : all) {
        results.push_back(std::move(one.out));
    }
    co_return results;
}

awaitable<preparation> prepare(pg::connection& session, job::advisory_locks* hold, plan::change_request change,
                               run::settings chosen, std::string kind) {
    std::vector<wanted_job> one(1);
    one.front().change = std::move(change);
    one.front().kind = std::move(kind);
    auto made = co_await prepare_together(session, hold, std::move(one), std::move(chosen));
    co_return std::move(made.front());
}

}  // namespace pgeist::rewrite
