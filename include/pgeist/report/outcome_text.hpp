#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "pgeist/core/exit_code.hpp"
#include "pgeist/report/observer.hpp"

namespace pgeist::report {

/// The meaning of an exit code, as `--help` lists it.
[[nodiscard]] std::string_view meaning(exit_code code) noexcept;

/// The message of an outcome that brings none of its own.
[[nodiscard]] std::string message_of(exit_code code);

/// How a swap went: `at attempt 2, table locked for 14.5 ms`.
[[nodiscard]] std::string describe(const swap_outcome& done);

/// `created_at: correlation 0.02 before, 1.00 now`
[[nodiscard]] std::string describe(const row_order& how);

/// What a comparison has found: `1,000 rows in 4 chunks, 0 differences, 0 repaired`.
[[nodiscard]] std::string describe(const verification& found);

/// `step 2 of 3 done (validate): ALTER TABLE …`
[[nodiscard]] std::string describe(const step_event& now);

/// The next action after an outcome that brings no hint of its own; may be empty.
[[nodiscard]] std::string next_action(exit_code code, std::optional<std::int64_t> job);

/// A hint in which commands such as `pgeist resume JOB` or `pgeist cleanup` name the job, so that they can be copied.
/// Who fails deep in a phase writes `pgeist resume` for going on with what is done there; `go_on` is the command that
/// does so, of this job.
[[nodiscard]] std::string with_job_number(std::string hint, std::optional<std::int64_t> job,
                                          std::string_view go_on = "resume");

}  // namespace pgeist::report
