#pragma once

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/core/error.hpp"
#include "pgeist/pg/session_profile.hpp"
#include "pgeist/task/work.hpp"

namespace pgeist::task {

/// What a kind is called, and how things stand with it, for people.
struct labels_of_kind {
    std::string name;       ///< in the job's row
    std::string strategy;   ///< as users see it: event `job`, status
    std::string effect;     ///< once it is done: `the table has its new definition`
    std::string meanwhile;  ///< when it is interrupted before: `changes go on being captured`; empty: nothing goes on
    std::string undone = "the table is as it was";                      ///< once it is cancelled before
    std::string untouched = "the source table is in use and complete";  ///< how it stands before that
};

/// A kind of work. The supervisor knows it by this interface alone; tasks/registry.hpp leads from what stands in a
/// job's row to it. Change and plan are stored as the kind has written them: only it reads them.
class kind {
public:
    kind(const kind&) = delete;
    kind& operator=(const kind&) = delete;
    virtual ~kind() = default;

    [[nodiscard]] const labels_of_kind& labels() const noexcept { return labels_; }
    /// In order. The last one does nothing: the job is done.
    [[nodiscard]] const std::vector<phase>& phases() const noexcept { return phases_; }
    /// @throws error for a phase that this version does not know
    [[nodiscard]] const phase& phase_named(const std::string& name) const;
    [[nodiscard]] const phase& reached(const job::record& job) const { return phase_named(job.phase); }
    [[nodiscard]] const phase& next(const phase& now) const;
    /// @throws std::logic_error when the kind has none
    [[nodiscard]] const phase& first_in_effect() const;
    [[nodiscard]] bool is_done(const phase& now) const { return &now == &phases_.back(); }
    [[nodiscard]] bool is_before(const phase& one, const phase& other) const { return &one < &other; }

    /// @throws error for a plan of a version that this program does not know
    [[nodiscard]] virtual std::unique_ptr<work> take_up(const context& with, const job::record& job) const = 0;

    /// Whether `pgeist cancel` takes back all that the job has made.
    [[nodiscard]] virtual bool is_undone_by_cancel() const { return true; }
    /// The state of a job, as its row is now, whose process has ended so.
    [[nodiscard]] virtual std::string state_when_ended(const job::record& now, exit_code code) const;

    /// What the user asked for, for people. @throws error when it cannot be read
    [[nodiscard]] virtual std::string describe(const std::string& change) const = 0;
    /// What every session of the job is set to; empty in a plan that an early version has made.
    [[nodiscard]] virtual pg::session_profile profile_of(const std::string& plan) const = 0;
    /// The plan with that profile.
    [[nodiscard]] virtual std::string with_profile(const std::string& plan, pg::session_profile profile) const = 0;
    /// Schemas of the job's own, which cleanup drops, by its number alone.
    [[nodiscard]] virtual std::vector<std::string> own_schemas(std::int64_t) const { return {}; }
    /// Tables of the job's own that a lost session of it may still write to.
    [[nodiscard]] virtual std::vector<qualified_name> written_tables(const job::record&) const { return {}; }
    /// Why there is nothing to compare, for `pgeist verify`; `at_work`: the job will still come to it.
    [[nodiscard]] virtual std::optional<error> nothing_to_compare(const job::record& job, bool at_work) const = 0;

    /// Tells the observer what the change is about, and what earlier processes have found, before the first phase: what
    /// was asked for, where a kind knows no more.
    [[nodiscard]] virtual awaitable<void> introduce(pg::pool& pool, const job::record& job, report::observer& to,
                                                    std::string server) const;
    /// Tells that the change is in effect, when an earlier process, or this one before it lost its connection, has made
    /// it so. Nothing where nobody waits for it.
    [[nodiscard]] virtual awaitable<void> tell_effect(pg::pool& pool, const job::record& job,
                                                      report::observer& to) const;

protected:
    kind(labels_of_kind labels, std::vector<phase> phases) : labels_(std::move(labels)), phases_(std::move(phases)) {}

private:
    labels_of_kind labels_;
    std::vector<phase> phases_;
};

}  // namespace pgeist::task
