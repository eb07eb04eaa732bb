#include "methods.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "pgeist/ddl/statement.hpp"
#include "pgeist/job/advisory_locks.hpp"
#include "pgeist/job/state_trust.hpp"
#include "pgeist/pg/transaction.hpp"
#include "pgeist/plan/alter.hpp"
#include "pgeist/steps/kept_in_step.hpp"
#include "pgeist/tasks/rewrite/preparation.hpp"

namespace pgeist::commands {

namespace {

bool is_whole(const std::string& text) {
    const ddl::statement what = ddl::understand(text);
    return what.kind == ddl::statement_kind::alter_table;
}

/// The statements of `--alter`, each one of its own, about the table that was found. RENAME in a list is split out.
std::vector<steps::written_statement> statements_of(const plan::change_request& change, const qualified_name& found) {
    std::vector<steps::written_statement> all;
    const std::string table = ddl::sql_name(found);
    for (const std::string& text : change.alters) {
        const std::string whole = is_whole(text) ? text : fmt::format("ALTER TABLE {} {}", table, text);
        const ddl::statement what = ddl::understand(whole);
        if (what.kind == ddl::statement_kind::alter_table && !steps::can_be_copied(what)) {
            all.push_back({whole, 0, {}});
            continue;
        }
        qualified_name named = change.table;
        for (const plan::alter_statement& each : plan::parse_alters({text}, named)) {
            all.push_back({plan::alter_sql(table, each), 0, {}});
        }
    }
    return all;
}

// A job that is done step by step, is half done, and that nobody works on.
constexpr const char* half_done_sql = R"sql(
    SELECT coalesce(min(j.id), 0) FROM pgeist.jobs j
     WHERE j.table_oid = $1::bigint::oid AND j.state NOT IN ('done', 'cancelled', 'reverted')
       AND EXISTS (SELECT FROM pgeist.steps s WHERE s.job = j.id AND s.state IN ('done', 'started')))sql";

/// @returns 0 where there is none
awaitable<std::int64_t> find_half_done(pg::connection& session, std::int64_t table) {
    const bool present = co_await job::has_state_schema(session);
    std::int64_t found = 0;
    if (present) {
        const pg::result there = co_await session.query("SELECT to_regclass('pgeist.steps') IS NOT NULL");
        if (there.boolean(0, 0)) {
            const pg::result row =
                co_await session.query(half_done_sql + (" AND NOT " + job::held_condition("j.id")), table);
            found = row.integer(0, 0);
        }
    }
    co_return found;
}

awaitable<void> find_table(pg::connection& session, const qualified_name& name, std::optional<catalog::relation>& into,
                           std::string& triggers_of) {
    into = co_await catalog::find_table(session, name);
    if (!into) {
        co_return;
    }
    const pg::result row = co_await session.query(
        "SELECT coalesce(min(substring(tgname FROM '^pgeist_([0-9]+)_')), '') FROM pg_trigger WHERE tgrelid = "
        "$1::bigint::oid AND NOT tgisinternal",
        into->oid);
    triggers_of = row.text(0, 0);
    const std::int64_t half_done = co_await find_half_done(session, into->oid);
    if (half_done != 0) {
        throw error(
            exit_code::refused, fmt::format("job {} on {} is half done", half_done, into->name.display()),
            fmt::format("`pgeist resume {0}` goes on with it, `pgeist cleanup {0}` takes back what is unfinished",
                        half_done));
    }
}

/// A statement that names another table than --table is not this change.
void require_same_table(const plan::change_request& change, const std::vector<steps::written_statement>& all) {
    for (const steps::written_statement& each : all) {
        const ddl::statement what = ddl::understand(each.text);
        const bool same =
            what.relation.name == change.table.name && (change.table.schema.empty() || what.relation.schema.empty() ||
                                                        what.relation.schema == change.table.schema);
        if (!what.relation.name.empty() && !same) {
            throw error(exit_code::refused,
                        fmt::format("--table is {}, and the statement is about {}", change.table.display(),
                                    what.relation.display()),
                        "name the same table in both");
        }
    }
}

}  // namespace

bool copies_anyway(const plan::change_request& change, const run::settings& chosen) {
    return chosen.revertible || chosen.method == run::method_choice::copy || change.repack || !change.sets.empty() ||
           change.alters.empty();
}

steps::step copy_step(const plan::change_request& change, const std::string& table, std::string why) {
    steps::step one;
    one.number = 1;
    one.how = steps::method::copy;
    one.table = table;
    one.why = std::move(why);
    for (const std::string& each : change.alters) {
        one.statement += (one.statement.empty() ? "" : "; ") +
                         (is_whole(each) ? each : fmt::format("ALTER TABLE {} {}", ddl::sql_name(change.table), each));
    }
    if (one.statement.empty()) {
        one.statement = "REPACK " + table;
    }
    probe::relation_lock lock;
    lock.relation = table;
    lock.mode = probe::lock_mode::access_exclusive;
    one.locks.push_back(std::move(lock));
    one.blocks_ms = 1;
    return one;
}

void throw_if_refused(const steps::choice& chosen) {
    std::string messages;
    std::string hints;
    for (const steps::obstacle& each : chosen.refusals) {
        messages += (messages.empty() ? "" : "\n") + each.message;
        if (!each.hint.empty()) {
            hints += (hints.empty() ? "" : "\n") + each.hint;
        }
    }
    if (!messages.empty()) {
        throw error(exit_code::refused, messages, hints);
    }
}

awaitable<decision> decide(pg::connection& session, plan::change_request change, run::settings chosen) {
    decision made;
    std::string triggers_of;
    const auto looking = [&] { return find_table(session, change.table, made.table, triggers_of); };
    co_await pg::rolled_back(session, looking);
    const bool on_its_own = made.table && (made.table->kind == 'r' || made.table->kind == 'p');
    if (copies_anyway(change, chosen) || !on_its_own || !triggers_of.empty()) {
        made.copy = true;  // what there is to be said against it, its checks say
        co_return made;
    }
    steps::question asked;
    asked.statements = statements_of(change, made.table->name);
    require_same_table(change, asked.statements);
    asked.method = chosen.method;
    asked.max_block = chosen.max_block;
    made.nothing = co_await rewrite::find_change(session, change);
    if (made.nothing) {
        steps::step none = copy_step(change, made.table->name.display(), *made.nothing);
        none.how = steps::method::nothing;
        none.locks.clear();
        none.blocks_ms = 0;
        made.chosen.steps.push_back(std::move(none));
        co_return made;
    }
    made.chosen = co_await steps::choose(session, asked);
    co_await steps::refuse_breaches(session, made.chosen);
    if (made.chosen.refusals.empty() && made.chosen.needs_copy()) {
        std::string why;
        std::optional<std::int64_t> estimated;
        for (const steps::step& each : made.chosen.steps) {
            why = each.how == steps::method::copy && why.empty() ? each.why : why;
            estimated = each.how == steps::method::copy ? each.estimated_ms : estimated;
        }
        steps::step whole = copy_step(change, made.table->name.display(), std::move(why));
        whole.evidence = made.chosen.steps.front().evidence;
        whole.estimated_ms = estimated;
        made.chosen.steps.clear();
        made.chosen.steps.push_back(std::move(whole));
        made.copy = true;
    }
    const bool all_nothing = std::all_of(made.chosen.steps.begin(), made.chosen.steps.end(),
                                         [](const steps::step& each) { return each.how == steps::method::nothing; });
    if (made.chosen.refusals.empty() && all_nothing) {
        made.nothing = fmt::format("{} already is what the change would make it", made.table->name.display());
    }
    co_return made;
}

}  // namespace pgeist::commands
