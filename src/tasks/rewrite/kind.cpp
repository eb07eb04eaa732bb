#include "pgeist/tasks/rewrite/kind.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "pgeist/tasks/rewrite/phases.hpp"
#include "pgeist/tasks/rewrite/work.hpp"

namespace pgeist::rewrite {

namespace {

task::labels_of_kind own_words() {
    task::labels_of_kind all;
    all.name = kind_name;
    all.strategy = "shadow";
    all.effect = "the table has its new definition";
    all.meanwhile = "changes go on being captured";
    return all;
}

/// Tells an observer that wants to know what the table is and what it will be.
awaitable<void> describe_table(pg::pool& pool, const job::record& job, bool swapped, report::observer& to,
                               std::string server) {
    report::description what;
    what.server = std::move(server);
    what.change = plan::change_request_from_json(job.change).describe();
    if (!swapped) {
        const plan::blueprint plan = plan::blueprint_from_json(*job.plan);
        const auto session = co_await pool.acquire();
        auto source = co_await catalog::read_table(*session, plan.source_oid);
        what.before = catalog::definition_in_swap(std::move(source));
        what.after = plan.expected;
    }
    to.described(what);
}

/// Tells of what an earlier run has compared, and this one will not.
awaitable<void> tell_comparison(pg::pool& pool, const job::record& job, report::observer& to) {
    const auto session = co_await pool.acquire();
    const auto found = co_await job::last_event(*session, job.id, "verified");
    to.verified_before(found.value_or("compared"));
}

}  // namespace

std::unique_ptr<task::work> rewriting::take_up(const task::context& with, const job::record& job) const {
    return std::make_unique<rewrite::work>(*this, with, job);
}

std::string rewriting::describe(const std::string& change) const {
    return plan::change_request_from_json(change).describe();
}

pg::session_profile rewriting::profile_of(const std::string& plan) const {
    return plan::blueprint_from_json(plan).profile;
}

std::string rewriting::with_profile(const std::string& plan, pg::session_profile profile) const {
    plan::blueprint changed = plan::blueprint_from_json(plan);
    changed.profile = std::move(profile);
    return plan::to_json(changed);
}

std::vector<std::string> rewriting::own_schemas(std::int64_t job) const {
    return {job_schema(job), passage_schema(job), back_schema(job), again_schema(job)};
}

std::vector<qualified_name> rewriting::written_tables(const job::record& job) const {
    std::vector<qualified_name> tables;
    if (job.plan && !reached(job).in_effect) {
        tables.push_back(plan::blueprint_from_json(*job.plan).shadow());
    }
    return tables;
}

std::optional<error> rewriting::nothing_to_compare(const job::record& job, bool at_work) const {
    const task::phase& now = reached(job);
    std::optional<error> why;
    if (now.in_effect) {
        why = error(exit_code::refused,
                    fmt::format("job {} has swapped the tables, and the old one is not kept in sync", job.id),
                    "compare before the swap: --postpone-swap, then pgeist verify");
    } else if (!at_work && is_before(now, phases()[static_cast<std::size_t>(step::verify)])) {
        why = error(exit_code::refused,
                    fmt::format("job {} has not come to its verification: it is in phase {}", job.id, now.told.name),
                    fmt::format("the shadow table is not complete yet; pgeist status {} shows how far it is", job.id));
    }
    return why;
}

awaitable<void> rewriting::introduce(pg::pool& pool, const job::record& job, report::observer& to,
                                     std::string server) const {
    const task::phase& now = reached(job);
    if (to.wants_description()) {
        co_await describe_table(pool, job, now.in_effect, to, std::move(server));
    }
    if (is_before(phases()[static_cast<std::size_t>(step::verify)], now) &&
        job.settings.verify != run::verify_mode::off) {
        co_await tell_comparison(pool, job, to);
    }
}

awaitable<void> rewriting::tell_effect(pg::pool& pool, const job::record& job, report::observer& to) const {
    report::swap_outcome done;
    {
        const auto session = co_await pool.acquire();
        done.told_before = co_await job::has_event(*session, job.id, "swapped");
        if (!done.told_before) {
            co_await job::add_event(*session, job.id, "swapped", "before the connection was lost, or the run ended");
        }
    }
    if (!job.settings.drop_old) {
        done.old_table = plan::blueprint_from_json(*job.plan).shadow().display();
    }
    to.swapped(done);
}

const task::kind& kind() {
    static const rewriting only(own_words(), rewrite::phases());
    return only;
}

}  // namespace pgeist::rewrite
