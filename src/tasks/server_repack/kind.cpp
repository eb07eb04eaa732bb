#include "pgeist/tasks/server_repack/kind.hpp"

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/job/in_tenure.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/tasks/reindex/plan.hpp"
#include "work.hpp"

namespace pgeist::server_repack {

namespace {

/// The statement itself has left nothing: its slot and its worker ended with its session, which is ended before this.
awaitable<void> take_back(task::undo_context& at) {
    const auto removal = [&] { return job::remove(at.session, at.mine.job); };
    co_await job::in_tenure(at.session, at.mine, pg::isolation::read_committed, removal);
}

std::vector<task::phase> all_phases() {
    task::phase repack = task::make_phase("repack", "have the server rebuild the table CONCURRENTLY",
                                          "SHARE UPDATE EXCLUSIVE, at the end ACCESS EXCLUSIVE");
    repack.undo = take_back;
    repack.long_statement = true;
    return {repack, task::make_last_phase()};
}

task::labels_of_kind own_words() {
    task::labels_of_kind all;
    all.name = kind_name;
    all.strategy = "server";
    all.effect = "the table is rebuilt";
    return all;
}

class repacking final : public task::kind {
public:
    repacking() : task::kind(own_words(), all_phases()) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with,
                                                      const job::record& job) const override {
        return std::make_unique<server_repack::work>(*this, with, job);
    }
    [[nodiscard]] std::string describe(const std::string& change) const override {
        return plan::change_request_from_json(change).describe() + ", by the server";
    }
    [[nodiscard]] pg::session_profile profile_of(const std::string& stored) const override {
        return reindex::plan_from_json(stored).profile;
    }
    [[nodiscard]] std::string with_profile(const std::string& stored, pg::session_profile profile) const override {
        reindex::plan changed = reindex::plan_from_json(stored);
        changed.profile = std::move(profile);
        return reindex::to_json(changed);
    }
    [[nodiscard]] std::optional<error> nothing_to_compare(const job::record& job, bool) const override {
        return error(exit_code::refused,
                     fmt::format("job {} is the server's own repack: there are no two tables to compare", job.id),
                     "repack by a copy where the rows are to be compared");
    }
};

}  // namespace

const task::kind& kind() {
    static const repacking only;
    return only;
}

}  // namespace pgeist::server_repack
