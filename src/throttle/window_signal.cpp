#include <fmt/format.h>

#include "pgeist/core/time_window.hpp"
#include "pgeist/core/units.hpp"
#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

class window_signal : public signal {
public:
    void configure(const run::settings& chosen) override {
        text_ = chosen.window.value_or("");
        windows_.clear();
        if (chosen.window) {
            windows_ = parse_windows(*chosen.window);
        }
    }

    [[nodiscard]] std::optional<std::string> reason_to_wait(clock::time_point) const override {
        const int now = local_minute_of_day(std::chrono::system_clock::now());
        const auto left = minutes_until_open(windows_, now);
        if (!left || *left == 0) {
            return std::nullopt;
        }
        return fmt::format("outside the window {}, which opens in {}", text_,
                           format_duration(std::chrono::minutes(*left)));
    }

private:
    std::string text_;
    std::vector<time_window> windows_;
};

}  // namespace

std::unique_ptr<signal> make_window_signal() { return std::make_unique<window_signal>(); }

}  // namespace pgeist::throttle
