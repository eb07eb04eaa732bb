#include "pgeist/tasks/expand/preparation.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "heritage.hpp"
#include "pgeist/catalog/reading_settings.hpp"
#include "pgeist/core/clipped.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/fill/planner.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/job/state_trust.hpp"
#include "planning.hpp"
#include "sync_sql.hpp"

namespace pgeist::expand {

namespace {

awaitable<job::tenure> record_expansion(pg::connection& session, job::advisory_locks& hold,
                                        const catalog::table& source, const request& asked,
                                        const run::settings& chosen) {
    co_await job::claim_table(hold, source.oid, source.name);
    static_cast<void>(co_await job::ensure_state_schema(session));
    co_await job::require_own_state(session, source.oid);
    job::beginning what;
    what.kind = "expand";
    what.table = source.name;
    what.table_oid = source.oid;
    what.change = to_json(asked);
    what.settings = chosen;
    what.phase = "prepare";
    const job::tenure first = co_await job::create(session, std::move(what));
    co_await job::claim_job(hold, first.job);
    co_return first;
}

/// Its name comes after those of all others: triggers of one kind fire in the order of their names.
std::string trigger_name(const workshop& with, std::int64_t job) {
    std::string name = fmt::format("~pgeist_{}_sync", job);
    for (const auto& each : with.source.triggers) {
        while (each.name > name && name.size() < longest_identifier) {
            name.insert(0, "~");
        }
        if (each.name > name) {
            refuse(fmt::format("trigger {} would fire after the one that keeps the columns in step",
                               display_identifier(each.name)),
                   "rename it: triggers fire in the order of their names");
        }
    }
    return name;
}

void fill_basics(workshop& with, std::int64_t job) {
    spec& plan = with.made.plan;
    plan.table = with.source.name;
    plan.source_oid = with.source.oid;
    plan.partitioned = with.source.kind == 'p';
    plan.job_schema = with.at.job_schema;
    plan.trigger = trigger_name(with, job);
    plan.conflict = with.asked.conflict;
    plan.key_index = with.asked.key_index;
    plan.profile = with.at.conn.profile();
}

/// Rights on the old column, for the new one.
void plan_rights(workshop& with) {
    for (group& one : with.made.plan.groups) {
        if (one.olds.size() != 1) {
            continue;
        }
        const auto* old = with.source.find_column(one.olds.front().name);
        for (added_column& each : with.made.plan.added) {
            const bool member = std::any_of(one.news.begin(), one.news.end(),
                                            [&](const column& other) { return other.name == each.name; });
            for (const auto& right : old->acl.grants) {
                if (member && !old->acl.is_default) {
                    each.details.push_back(
                        {"rights", fmt::format("GRANT {} ({}) ON {} TO {}{}", right.privilege,
                                               quote_identifier(each.name), with.source.name.sql(),
                                               right.grantee.empty() ? "PUBLIC" : quote_identifier(right.grantee),
                                               right.grantable ? " WITH GRANT OPTION" : "")});
                }
            }
        }
    }
}

/// The schema is the job's for as long as the columns are kept in step. What the trigger calls of it is everybody's.
awaitable<void> make_own(workshop& with) {
    const spec& plan = with.made.plan;
    co_await with.at.conn.execute(
        fmt::format("CREATE SEQUENCE {0}; GRANT USAGE ON SEQUENCE {0} TO PUBLIC", plan.counter().sql()));
    const std::int64_t counter = co_await target::table_oid(with.at.conn, plan.counter());
    co_await with.at.conn.execute(expressions_sql(plan) + function_sql(plan, counter));
    if (plan.bound || !with.at.finish.empty()) {
        co_await with.at.conn.execute(
            fmt::format("GRANT USAGE ON SCHEMA {} TO PUBLIC", quote_identifier(with.at.job_schema)));
    }
}

awaitable<void> plan_all(workshop& with) {
    const std::string schema = quote_identifier(with.at.job_schema);
    const std::string passage = quote_identifier(with.at.passage_schema);
    co_await with.at.conn.execute(catalog::session_settings(with.at.conn));
    co_await with.at.conn.execute(fmt::format("CREATE SCHEMA {}; CREATE SCHEMA {}", schema, passage));
    co_await plan_columns(with);
    co_await plan_groups(with);
    co_await check_replaced(with);
    co_await plan_twins(with);
    for (const bequest& each : co_await left_behind(with.at.conn, with.made.plan)) {
        if (each.label.starts_with("statistics ")) {
            with.made.warnings.push_back(
                fmt::format("{} goes with the old columns; make one like it for the new ones", each.label));
        }
    }
    plan_rights(with);
    const qualified_name stand_in{with.at.job_schema, with.source.name.name};
    co_await with.at.conn.execute(fmt::format("DROP TABLE {}; DROP SCHEMA {}", stand_in.sql(), passage));
    co_await make_own(with);
    co_await try_on_rows(with);
}

}  // namespace

awaitable<preparation> prepare(pg::connection& session, job::advisory_locks* hold, request asked,
                               run::settings chosen) {
    auto profile = co_await pg::read_profile(session);
    co_await session.adopt(std::move(profile));
    fill::request like_fill;
    like_fill.table = asked.table;
    const catalog::table source = co_await fill::find_table(session, like_fill);
    co_await job::require_own_state(session, source.oid);
    job::tenure first;
    if (hold != nullptr) {
        first = co_await record_expansion(session, *hold, source, asked, chosen);
    } else {
        first.job = co_await job::next_number(session);
    }
    plan::change_request change;
    change.table = source.name;
    workshop with{asked, target::build_context(session, source, change, fmt::format("pgeist_{}", first.job)), source};
    with.at.keeps_path = true;
    with.made.job = first.job;
    co_await check_table(with);
    co_await fill::require_key(session, source, with.asked.key_index);
    fill_basics(with, first.job);
    co_await plan_all(with);
    if (hold != nullptr) {
        co_await job::save_plan(session, first.job, to_json(with.made.plan), source.estimated_rows);
        co_await job::save_phase(session, first, "add");
    }
    co_return std::move(with.made);
}

}  // namespace pgeist::expand
