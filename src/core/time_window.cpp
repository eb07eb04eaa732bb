#include "pgeist/core/time_window.hpp"

#include <algorithm>
#include <cctype>
#include <ctime>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"

namespace pgeist {

namespace {

constexpr int hour = 60;
constexpr int day = 24 * hour;

/// `HH:MM`, up to 24:00.
std::optional<int> minute_from(std::string_view text) {
    const auto digit = [&](std::size_t at) { return std::isdigit(static_cast<unsigned char>(text[at])) != 0; };
    if (text.size() == 4) {  // 6:00
        const std::string padded = "0" + std::string(text);
        return minute_from(padded);
    }
    if (text.size() != 5 || text[2] != ':' || !digit(0) || !digit(1) || !digit(3) || !digit(4)) {
        return std::nullopt;
    }
    const int hours = (text[0] - '0') * 10 + (text[1] - '0');
    const int minutes = (text[3] - '0') * 10 + (text[4] - '0');
    const int minute = hours * hour + minutes;
    return minutes < hour && minute <= day ? std::optional<int>(minute) : std::nullopt;
}

time_window window_from(std::string_view text) {
    const std::size_t dash = text.find('-');
    std::optional<int> from;
    std::optional<int> to;
    if (dash != std::string_view::npos) {
        from = minute_from(text.substr(0, dash));
        to = minute_from(text.substr(dash + 1));
    }
    if (!from || !to) {
        throw usage_error(fmt::format("\"{}\" is no window of time", text),
                          "write FROM-TO, for example 22:00-06:00, several with commas between them");
    }
    return time_window{*from % day, *to % day};
}

}  // namespace

std::vector<time_window> parse_windows(std::string_view text) {
    std::vector<time_window> windows;
    for (std::size_t from = 0; from <= text.size();) {
        const std::size_t comma = std::min(text.find(',', from), text.size());
        windows.push_back(window_from(text.substr(from, comma - from)));
        from = comma + 1;
    }
    return windows;
}

std::optional<int> minutes_until_open(const std::vector<time_window>& windows, int minute_of_day) {
    std::optional<int> least;
    for (const time_window& each : windows) {
        const int length = each.from == each.to ? day : (each.to - each.from + day) % day;
        const int since = (minute_of_day - each.from + day) % day;
        const int left = since < length ? 0 : day - since;
        least = least ? std::min(*least, left) : left;
    }
    return least;
}

int local_minute_of_day(std::chrono::system_clock::time_point now) {
    const std::time_t seconds = std::chrono::system_clock::to_time_t(now);
    std::tm local{};
    ::localtime_r(&seconds, &local);
    return local.tm_hour * hour + local.tm_min;
}

}  // namespace pgeist
