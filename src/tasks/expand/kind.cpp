#include "pgeist/tasks/expand/kind.hpp"

#include <fmt/format.h>

#include "take_back.hpp"
#include "work.hpp"

namespace pgeist::expand {

namespace {

task::labels_of_kind own_words() {
    task::labels_of_kind all;
    all.name = kind_name;
    all.strategy = "expand";
    all.effect = "the table is expanded";
    all.meanwhile = "old and new columns are kept in step, if they were there already";
    return all;
}

class expanding final : public task::kind {
public:
    expanding() : task::kind(own_words(), expand::phases()) {}

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with,
                                                      const job::record& job) const override {
        return std::make_unique<expand::work>(*this, with, job);
    }
    [[nodiscard]] std::string describe(const std::string& change) const override {
        return request_from_json(change).describe();
    }
    [[nodiscard]] pg::session_profile profile_of(const std::string& plan) const override {
        return spec_from_json(plan).profile;
    }
    [[nodiscard]] std::string with_profile(const std::string& plan, pg::session_profile profile) const override {
        spec changed = spec_from_json(plan);
        changed.profile = std::move(profile);
        return to_json(changed);
    }
    [[nodiscard]] std::vector<std::string> own_schemas(std::int64_t job) const override {
        const std::string schema = "pgeist_" + std::to_string(job);
        return {schema, schema + "_fill"};
    }
    [[nodiscard]] std::optional<error> nothing_to_compare(const job::record& job, bool) const override {
        return error(exit_code::refused,
                     fmt::format("job {} has nothing to compare: its columns are kept in step", job.id), "");
    }
};

}  // namespace

std::vector<task::phase> phases() {
    const char* rows = "ROW EXCLUSIVE, and the rows of a chunk, per chunk";
    task::phase prepare = task::make_phase("prepare", "check it on an empty stand-in, make function and counter",
                                           "ACCESS SHARE, momentarily");
    prepare.undo = take_back;
    task::phase index = task::make_phase("index", "indexes like those of the old columns, CONCURRENTLY",
                                         "SHARE UPDATE EXCLUSIVE", "build");
    index.told.counts = report::unit::indexes;
    index.resumed = task::resume_from::checkpoint;
    index.long_statement = true;
    return {prepare,
            task::make_phase("add", "add the columns and the trigger that keeps them in step",
                             "ACCESS EXCLUSIVE, milliseconds, under lock_timeout", "expand"),
            task::make_phase_in_rows("fill", "fill the rows that are there, in chunks along the key", rows, "backfill"),
            task::make_phase_in_rows("settle", "look at every row once more, try locked rows again", rows, "verify"),
            index,
            task::make_phase("require", "validate NOT NULL and constraints, without a scan under a lock",
                             "SHARE UPDATE EXCLUSIVE to validate; ACCESS EXCLUSIVE, milliseconds", "finish"),
            task::make_last_phase("expanded")};
}

const task::kind& kind() {
    static const expanding only;
    return only;
}

}  // namespace pgeist::expand
