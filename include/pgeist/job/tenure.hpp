#pragma once

#include <cstdint>

namespace pgeist::job {

/// Which process works on a job: whoever takes it on counts its incarnation up, and what an earlier one still tries is
/// refused (require_tenure). An advisory lock alone cannot do that: it is lost with its connection, and a process whose
/// other connections live on notices a moment later.
struct tenure {
    std::int64_t job = 0;
    std::int64_t incarnation = 1;
};

}  // namespace pgeist::job
