#include "pgeist/report/status.hpp"

#include <fmt/format.h>

#include "pgeist/core/units.hpp"

namespace pgeist::report {

std::string log_warning(const job_status& job) {
    if (!job.log_bytes_per_hour) {
        return {};
    }
    return fmt::format(
        "job {0} logs changes of {1} though nobody works on it: the log has {2} and grows by {3} an hour; go on with "
        "`pgeist resume {0}` or remove it with `pgeist cleanup {0}`",
        job.job, job.table, format_size(job.log_bytes),
        format_size(static_cast<std::int64_t>(*job.log_bytes_per_hour)));
}

}  // namespace pgeist::report
