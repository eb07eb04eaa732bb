#include "pgeist/tasks/reindex/kind.hpp"

#include <fmt/format.h>

#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/tasks/reindex/plan.hpp"
#include "pgeist/tasks/reindex/request.hpp"
#include "work.hpp"

namespace pgeist::reindex {

namespace {

awaitable<void> take_back(task::undo_context& at) {
    co_await concurrently::undo(at);
    const auto removal = [&] { return job::remove(at.session, at.mine.job); };
    co_await job::in_tenure(at.session, at.mine, pg::isolation::read_committed, removal);
}

std::vector<task::phase> all_phases() {
    task::phase rebuild =
        task::make_phase("reindex", "rebuild the indexes CONCURRENTLY, one after the other", "SHARE UPDATE EXCLUSIVE");
    rebuild.told.counts = report::unit::indexes;
    rebuild.resumed = task::resume_from::checkpoint;
    rebuild.undo = take_back;
    rebuild.long_statement = true;
    return {rebuild, task::make_last_phase()};
}

task::labels_of_kind own_words() {
    task::labels_of_kind all;
    all.name = kind_name;
    all.strategy = "reindex";
    all.effect = "the indexes are rebuilt";
    return all;
}

class rebuilding final : public task::kind {
public:
    rebuilding() : task::kind(own_words(), all_phases()) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with,
                                                      const job::record& job) const override {
        return std::make_unique<reindex::work>(*this, with, job);
    }
    [[nodiscard]] std::string describe(const std::string& change) const override {
        return request_from_json(change).describe();
    }
    [[nodiscard]] pg::session_profile profile_of(const std::string& stored) const override {
        return plan_from_json(stored).profile;
    }
    [[nodiscard]] std::string with_profile(const std::string& stored, pg::session_profile profile) const override {
        plan changed = plan_from_json(stored);
        changed.profile = std::move(profile);
        return to_json(changed);
    }
    [[nodiscard]] std::optional<error> nothing_to_compare(const job::record& job, bool) const override {
        return error(exit_code::refused,
                     fmt::format("job {} rebuilds indexes: there are no two tables to compare", job.id),
                     "an index is checked by amcheck as soon as it is rebuilt, where that is installed");
    }
    [[nodiscard]] awaitable<void> introduce(pg::pool&, const job::record&, report::observer&,
                                            std::string) const override {
        co_return;
    }
};

}  // namespace

const task::kind& kind() {
    static const rebuilding only;
    return only;
}

}  // namespace pgeist::reindex
