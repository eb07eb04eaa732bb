#include "pgeist/tasks/rewrite/kind.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/job/events.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/tasks/rewrite/names.hpp"
#include "phases.hpp"
#include "work.hpp"

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

class rewriting final : public task::kind {
public:
    rewriting() : task::kind(own_words(), rewrite::phases()) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with,
                                                      const job::record& job) const override {
        return std::make_unique<rewrite::work>(*this, with, job);
    }

    [[nodiscard]] std::string describe(const std::string& change) const override {
        return plan::change_request_from_json(change).describe();
    }

    [[nodiscard]] pg::session_profile profile_of(const std::string& plan) const override {
        return plan::blueprint_from_json(plan).profile;
    }

    [[nodiscard]] std::string with_profile(const std::string& plan, pg::session_profile profile) const override {
        plan::blueprint changed = plan::blueprint_from_json(plan);
        changed.profile = std::move(profile);
        return plan::to_json(changed);
    }

    [[nodiscard]] std::vector<std::string> own_schemas(std::int64_t job) const override {
        return {job_schema(job), passage_schema(job), back_schema(job), again_schema(job)};
    }

    [[nodiscard]] std::vector<qualified_name> written_tables(const job::record& job) const override {
        std::vector<qualified_name> tables;
        if (job.plan && !reached(job).in_effect) {
            tables.push_back(plan::blueprint_from_json(*job.plan).shadow());
        }
        return tables;
    }

    [[nodiscard]] std::optional<error> nothing_to_compare(const job::record& job, bool at_work) const override;

    [[nodiscard]] awaitable<void> introduce(pg::pool& pool, const job::record& job, report::observer& to,
                                            std::string server) const override;
    [[nodiscard]] awaitable<void> tell_effect(pg::pool& pool, const job::record& job,
                                              report::observer& to) const override;

private:
    [[nodiscard]] const task::phase& at(step which) const { return phases()[static_cast<std::size_t>(which)]; }
};

std::optional<error> rewriting::nothing_to_compare(const job::record& job, bool at_work) const {
    const task::phase& now = reached(job);
    std::optional<error> why;
    if (now.in_effect) {
        why = error(exit_code::refused,
                    fmt::format("job {} has swapped the tables, and the old one is not kept in sync", job.id),
                    "compare before the swap: --postpone-swap, then pgeist verify");
    } else if (!at_work && is_before(now, at(step::verify))) {
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
    if (is_before(at(step::verify), now) && job.settings.verify != run::verify_mode::off) {
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

}  // namespace

const task::kind& kind() {
    static const rewriting only;
    return only;
}

}  // namespace pgeist::rewrite
