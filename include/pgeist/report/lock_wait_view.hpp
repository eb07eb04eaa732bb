#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "pgeist/report/observer.hpp"

namespace pgeist::report {

/// One blocker for people: `pid 4711 (batch, app, idle in transaction for 3m05s): UPDATE …`. The query is shortened
/// unless `in_full`.
[[nodiscard]] std::string describe(const blocker& one, bool in_full);

/// All of them, separated by semicolons; `unknown sessions` when there are none.
[[nodiscard]] std::string describe(const std::vector<blocker>& all, bool in_full);

/// What an attempt that failed was for: `a lock, attempt 3`; number 0 stands for older snapshots than the swap allows.
[[nodiscard]] std::string waited_for(int attempt);

/// Decides which failed attempts are worth a line of their own: the first, every change of who blocks, and one every
/// few seconds.
class lock_wait_filter {
public:
    using time_point = std::chrono::steady_clock::time_point;
    [[nodiscard]] bool worth_a_line(const std::vector<blocker>& blockers, time_point now);

private:
    bool any_ = false;
    time_point last_{};
    std::vector<int> pids_;
};

}  // namespace pgeist::report
