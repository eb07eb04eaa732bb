#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pgeist {

/// A time of day from which and to which something may be done, in minutes since midnight. `to` is not part of it.
/// `from > to` goes over midnight; `from == to` is the whole day.
struct time_window {
    int from = 0;
    int to = 0;
};

/// Reads `22:00-06:00`, or several of them with commas. @throws usage_error
[[nodiscard]] std::vector<time_window> parse_windows(std::string_view text);

/// Minutes until one of the windows opens; 0 within one of them, nothing when there is no window.
[[nodiscard]] std::optional<int> minutes_until_open(const std::vector<time_window>& windows, int minute_of_day);

/// The minute of the day by the local clock.
[[nodiscard]] int local_minute_of_day(std::chrono::system_clock::time_point now);

}  // namespace pgeist
