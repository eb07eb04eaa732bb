#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pgeist/report/rehearsal.hpp"
#include "pgeist/settings/settings.hpp"

namespace pgeist::commands {

/// A condition of `--fail-if`, such as `lock > 50ms`.
struct rehearsal_limit {
    enum class figure { lock, time, wal, space };
    figure of = figure::lock;
    bool or_equal = false;  ///< `>=`
    double value = 0;       ///< milliseconds, or bytes
    std::string text;       ///< as it was given
};

/// @throws usage_error
[[nodiscard]] rehearsal_limit parse_rehearsal_limit(std::string_view text);

/// What each limit that is passed has met: `lock 63.0 ms (--fail-if "lock > 50ms")`. Scaled figures count where there
/// are some; the lock as measured, else as predicted.
[[nodiscard]] std::vector<std::string> passed_limits(const report::rehearsal& found,
                                                     const std::vector<rehearsal_limit>& limits);

/// Reads what `pgeist plan --output json` has said of a copy, for `--scale-to`. @throws usage_error
void read_scale(std::string_view plan, run::settings& into);

/// What `pgeist rehearse` is asked for besides the change and its settings.
struct rehearsal_request {
    std::vector<rehearsal_limit> limits;
    std::string markdown;  ///< file for a comment in a pull request; empty: none
};

}  // namespace pgeist::commands
