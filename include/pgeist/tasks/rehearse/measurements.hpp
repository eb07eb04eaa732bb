#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/deadline.hpp"
#include "pgeist/pg/connection.hpp"
#include "pgeist/report/observer.hpp"
#include "pgeist/report/rehearsal.hpp"

namespace pgeist::rehearse {

/// What a rehearsal notes while it works.
class measurements {
public:
    measurements();

    /// A phase of a table begins, and ends. Phases of one name count as one. What is written while several are at work
    /// counts for each of them alike.
    [[nodiscard]] awaitable<void> begin(pg::connection& session, std::string phase);
    [[nodiscard]] awaitable<void> end(pg::connection& session, std::string phase);
    /// How much the job's schemas take now.
    [[nodiscard]] awaitable<void> look_at_size(pg::connection& session, std::vector<std::string> schemas);
    /// Who is in the way of the swap at this moment; nobody: its lock would be free.
    void look(const std::vector<report::blocker>& holders);
    /// How the copy of a job's table is getting on: the times of its chunks.
    void note(std::int64_t job, const report::progress& now);
    /// A table has so many rows.
    void copied(std::int64_t rows);

    [[nodiscard]] std::int64_t looks() const noexcept { return looks_; }
    [[nodiscard]] report::rehearsal result() const;

private:
    [[nodiscard]] awaitable<void> settle(pg::connection& session);
    [[nodiscard]] report::rehearsal::phase& phase_named(const std::string& name);

    deadline::clock::time_point started_;
    deadline::clock::time_point settled_at_;
    std::string wal_then_;
    std::vector<std::string> at_work_;  ///< one for each table that is in it
    std::vector<report::rehearsal::phase> phases_;
    std::vector<report::rehearsal::holder> holders_;
    std::vector<std::int64_t> chunk_ms_;
    std::map<std::int64_t, std::int64_t> rows_when_noted_;  ///< by job
    std::int64_t space_ = 0;
    std::int64_t rows_ = 0;
    std::int64_t looks_ = 0;
    std::int64_t free_ = 0;
};

}  // namespace pgeist::rehearse
