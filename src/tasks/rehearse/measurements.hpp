#pragma once

#include <cstdint>
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

    /// A phase begins, and ends. Phases of one name count as one.
    [[nodiscard]] awaitable<void> begin(pg::connection& session);
    [[nodiscard]] awaitable<void> end(pg::connection& session, const std::string& phase);
    /// How much the job's schemas take now.
    [[nodiscard]] awaitable<void> look_at_size(pg::connection& session, std::vector<std::string> schemas);
    /// Who is in the way of the swap at this moment; nobody: its lock would be free.
    void look(const std::vector<report::blocker>& holders);
    /// How the work is getting on: the times of its chunks.
    void note(const report::progress& now);
    void copied(std::int64_t rows);

    [[nodiscard]] std::int64_t looks() const noexcept { return looks_; }
    [[nodiscard]] report::rehearsal result() const;

private:
    deadline::clock::time_point started_;
    deadline::clock::time_point phase_started_;
    std::string wal_at_start_;
    std::vector<report::rehearsal::phase> phases_;
    std::vector<report::rehearsal::holder> holders_;
    std::vector<std::int64_t> chunk_ms_;
    std::int64_t rows_when_noted_ = 0;
    std::int64_t space_ = 0;
    std::int64_t rows_ = 0;
    std::int64_t looks_ = 0;
    std::int64_t free_ = 0;
};

}  // namespace pgeist::rehearse
