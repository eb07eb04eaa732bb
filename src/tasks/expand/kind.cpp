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

task::phase phase_of(const char* name, const char* told, const char* purpose, const char* lock) {
    task::phase one;
    one.name = name;
    one.purpose = purpose;
    one.told.name = told;
    one.told.lock = lock;
    return one;
}

task::phase over_rows(task::phase one) {
    one.told.counts = report::unit::rows;
    one.told.in_chunks = true;
    one.resumed = task::resume_from::checkpoint;
    return one;
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
    [[nodiscard]] std::vector<qualified_name> written_tables(const job::record&) const override { return {}; }
    [[nodiscard]] std::optional<error> nothing_to_compare(const job::record& job, bool) const override {
        return error(exit_code::refused,
                     fmt::format("job {} has nothing to compare: its columns are kept in step", job.id), "");
    }
    [[nodiscard]] awaitable<void> introduce(pg::pool&, const job::record& job, report::observer& to,
                                            std::string server) const override {
        if (to.wants_description()) {
            report::description what;
            what.server = std::move(server);
            what.change = describe(job.change);
            to.described(what);
        }
        co_return;
    }
    [[nodiscard]] awaitable<void> tell_effect(pg::pool&, const job::record&, report::observer&) const override {
        co_return;
    }
};

}  // namespace

std::vector<task::phase> phases() {
    const char* rows = "ROW EXCLUSIVE, and the rows of a chunk, per chunk";
    task::phase prepare = phase_of("prepare", "prepare", "check it on an empty stand-in, make function and counter",
                                   "ACCESS SHARE, momentarily");
    prepare.undo = take_back;
    task::phase index =
        phase_of("index", "build", "indexes like those of the old columns, CONCURRENTLY", "SHARE UPDATE EXCLUSIVE");
    index.told.counts = report::unit::indexes;
    index.resumed = task::resume_from::checkpoint;
    index.long_statement = true;
    task::phase expanded = phase_of("expanded", "done", "", "none");
    expanded.in_effect = true;
    return {prepare,
            phase_of("add", "expand", "add the columns and the trigger that keeps them in step",
                     "ACCESS EXCLUSIVE, milliseconds, under lock_timeout"),
            over_rows(phase_of("fill", "backfill", "fill the rows that are there, in chunks along the key", rows)),
            over_rows(phase_of("settle", "verify", "look at every row once more, try locked rows again", rows)),
            index,
            phase_of("require", "finish", "validate NOT NULL and constraints, without a scan under a lock",
                     "SHARE UPDATE EXCLUSIVE to validate; ACCESS EXCLUSIVE, milliseconds"),
            expanded};
}

const task::kind& kind() {
    static const expanding only;
    return only;
}

}  // namespace pgeist::expand
