#include "pgeist/tasks/file/kind.hpp"

#include <fmt/format.h>

#include "groups.hpp"
#include "pgeist/tasks/children/children.hpp"
#include "pgeist/tasks/file/stored.hpp"
#include "pgeist/tasks/group/way_back.hpp"
#include "pgeist/tasks/native/kind.hpp"
#include "pgeist/tasks/native/preparation.hpp"
#include "work.hpp"

namespace pgeist::file {

namespace {

/// What statements have done stays.
awaitable<void> undo_steps(task::undo_context& at) {
    children::kinds more;
    more.push_back(&groups().kind());
    more.push_back(&group::way_back_kind());
    co_await children::undo_all(at, std::move(more));
    co_await native::undo_steps(at);
}

std::vector<task::phase> phases() {
    task::phase steps = task::make_phase("steps", "run the statements, one step after the other", "as each step says");
    steps.resumed = task::resume_from::checkpoint;
    steps.undo = undo_steps;
    steps.long_statement = true;
    return {std::move(steps), task::make_last_phase()};
}

task::labels_of_kind own_words() {
    task::labels_of_kind all;
    all.name = kind_name;
    all.strategy = "file";
    all.untouched = "the steps that were done stay done";
    all.undone = "the steps that were done stay done";
    all.effect = "the statements of the file are done";
    return all;
}

class migrating final : public task::kind {
public:
    migrating() : task::kind(own_words(), file::phases()) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with, const job::record&) const override {
        return std::make_unique<file::work>(*this, with);
    }
    [[nodiscard]] std::string describe(const std::string& change) const override { return describe_change(change); }
    [[nodiscard]] pg::session_profile profile_of(const std::string& plan) const override {
        return native::profile_in(plan);
    }
    [[nodiscard]] std::string with_profile(const std::string&, pg::session_profile profile) const override {
        return native::plan_with(profile);
    }
    [[nodiscard]] std::optional<error> nothing_to_compare(const job::record& job, bool) const override {
        return error(exit_code::refused,
                     fmt::format("job {} runs a migration file: it has no two tables to compare", job.id),
                     "its copies are jobs of their own: pgeist status lists them");
    }
};

}  // namespace

const task::kind& kind() {
    static const migrating only;
    return only;
}

}  // namespace pgeist::file
