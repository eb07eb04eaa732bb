#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/deadline.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/report/rehearsal.hpp"
#include "pgeist/swap/one_moment.hpp"
#include "pgeist/task/work.hpp"
#include "pgeist/tasks/rehearse/measurements.hpp"

namespace pgeist::rehearse {

/// What is measured, and rehearsed of the swap, beside the work on the tables of a change: one, or several that would
/// be exchanged together.
class rehearsal {
public:
    explicit rehearsal(const task::context& with);

    /// A table comes into a phase, and has done it. `schemas`: those of the jobs.
    [[nodiscard]] awaitable<void> phase_begins(std::string name);
    [[nodiscard]] awaitable<void> phase_ends(std::string name, std::vector<std::string> schemas);
    void copied(std::int64_t rows) { found_.copied(rows); }
    void note(std::int64_t job, const report::progress& now) { found_.note(job, now); }

    /// From time to time, while capture is on, over `session`: who would be in the way of the swap's locks, and how
    /// much room the jobs take. Not of those that work for job `own`.
    [[nodiscard]] awaitable<void> look(pg::connection& session, const lock::target& wanted, std::int64_t own,
                                       std::vector<std::string> schemas);

    /// In the place of the swap, when the shadows are complete and what is built ahead is built: what it would take is
    /// foretold; then it is looked at some more, replaying by `pass`, or done and rolled back, as --locks says.
    [[nodiscard]] awaitable<void> rehearse_swap(std::vector<swap::exchanged> tables,
                                                std::function<awaitable<void>()> pass);

    /// The figures, with what the tables are and what is changed; stored with job `own` and told.
    [[nodiscard]] awaitable<void> tell(std::string tables, std::string change, report::table_size here,
                                       std::int64_t own);

private:
    [[nodiscard]] awaitable<void> exchange(const std::vector<swap::exchanged>& tables);

    task::context with_;
    measurements found_;
    deadline::clock::time_point next_look_;
    deadline::clock::time_point next_size_;
    bool exchanging_ = false;
    double predicted_lock_ms_ = 0;
    std::optional<double> lock_ms_;
    std::optional<std::int64_t> attempts_;
};

}  // namespace pgeist::rehearse
