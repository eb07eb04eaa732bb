#pragma once

#include <cstdint>

namespace pgeist::job {

/// Which process works on a job: whoever takes it on counts its incarnation up, and what an earlier one still tries is
/// refused (require_tenure). An advisory lock alone cannot do that: it is lost with its connection, and a process whose
/// other connections live on notices a moment later.
struct tenure {
    std::int64_t job = 0;
    std::int64_t incarnation = 1;
    bool guarded = false;  ///< in the state of others: each transaction sees to it that it stays as it is (guard_state)
};

}  // namespace pgeist::job
