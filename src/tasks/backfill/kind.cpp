#include "pgeist/tasks/backfill/kind.hpp"

#include <fmt/format.h>

#include "pgeist/job/tenure.hpp"
#include "pgeist/lock/politely.hpp"
#include "work.hpp"

namespace pgeist::backfill {

namespace {

std::string job_schema(std::int64_t job) { return "pgeist_" + std::to_string(job); }

task::labels_of_kind own_words() {
    task::labels_of_kind all;
    all.name = "backfill";
    all.strategy = "backfill";
    all.effect = "the rows have their new values";
    all.untouched = "what is done so far is kept";
    all.undone = "rows that are done stay as they are";
    return all;
}

/// Drops the functions of the job, if it has any, and its row. Rows that are done stay.
awaitable<void> drop_own(task::undo_context& at) {
    const job::tenure mine = at.mine;
    const auto ours = [&mine](pg::connection& used) { return job::require_tenure(used, mine); };
    const lock::policy rules;
    const std::string sql = fmt::format("DROP SCHEMA IF EXISTS {} CASCADE; DELETE FROM pgeist.jobs WHERE id = {}",
                                        quote_identifier(job_schema(mine.job)), mine.job);
    const auto blocked = co_await lock::politely(at.session, sql, rules, ours);
    if (blocked) {
        throw error(exit_code::lock_not_obtained,
                    fmt::format("what job {} has left found no moment to be dropped: {}", mine.job, blocked->what()),
                    fmt::format("try again with: pgeist cleanup {}", mine.job));
    }
}

class backfilling final : public task::kind {
public:
    backfilling() : task::kind(own_words(), backfill::phases()) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with,
                                                      const job::record& job) const override {
        return std::make_unique<backfill::work>(*this, with, job);
    }
    [[nodiscard]] std::string describe(const std::string& change) const override {
        return fill::request_from_json(change).describe();
    }
    [[nodiscard]] pg::session_profile profile_of(const std::string& plan) const override {
        return fill::spec_from_json(plan).profile;
    }
    [[nodiscard]] std::string with_profile(const std::string& plan, pg::session_profile profile) const override {
        fill::spec changed = fill::spec_from_json(plan);
        changed.profile = std::move(profile);
        return fill::to_json(changed);
    }
    [[nodiscard]] std::vector<std::string> own_schemas(std::int64_t job) const override { return {job_schema(job)}; }
    [[nodiscard]] std::optional<error> nothing_to_compare(const job::record& job, bool) const override {
        return error(exit_code::refused,
                     fmt::format("job {} is a backfill: it looks at all rows once more at its end", job.id),
                     "run it again: rows that are right are not written");
    }
};

}  // namespace

std::vector<task::phase> phases() {
    const char* lock = "ROW EXCLUSIVE, and the rows of a chunk, per chunk";
    task::phase prepare = task::make_phase("prepare", "plan it, and make what it needs", "ACCESS SHARE, momentarily");
    prepare.undo = drop_own;
    return {prepare,
            task::make_phase_in_rows("fill", "set the rows that differ, in chunks along the key", lock, "backfill"),
            task::make_phase_in_rows("settle", "look at every row once more, set what differs, try locked rows again",
                                     lock, "verify"),
            task::make_last_phase()};
}

const task::kind& kind() {
    static const backfilling only;
    return only;
}

}  // namespace pgeist::backfill
