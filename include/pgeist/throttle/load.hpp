#pragma once

#include <chrono>
#include <optional>
#include <string>

namespace pgeist::throttle {

/// Sessions at work on the server, pgeist's own left out.
struct load_sample {
    std::chrono::steady_clock::time_point at;
    int active = 0;
};

/// Why to wait, if so. A load that is unknown does not stop the run; the last value known holds.
[[nodiscard]] std::optional<std::string> judge_load(std::optional<int> limit, const std::optional<load_sample>& last,
                                                    std::chrono::steady_clock::time_point now);

/// What `--throttle-query` said last.
struct query_sample {
    std::chrono::steady_clock::time_point at;
    std::optional<std::string> value;  ///< first column of the first row; nothing: no row, or null
    std::string failure;               ///< why it could not be run; empty: it could
};

/// Why to wait, if so: the user's own query must say 0 (or false), now.
[[nodiscard]] std::optional<std::string> judge_query(const std::optional<query_sample>& last,
                                                     std::chrono::steady_clock::time_point now);

}  // namespace pgeist::throttle
