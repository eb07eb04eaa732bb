#pragma once

#include <string>

namespace pgeist::job {

/// This process, told from all others of all hosts and all times: boot, PID namespace, number, start. Empty where the
/// system does not tell.
[[nodiscard]] std::string this_process();

enum class presence {
    running,
    ended,
    unknown  ///< on another host, or in another container
};

/// Whether a process that this_process() has described somewhere is still there.
[[nodiscard]] presence find_process(const std::string& described);

}  // namespace pgeist::job
