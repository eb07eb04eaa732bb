#include "pgeist/throttle/pace.hpp"

#include <algorithm>

namespace pgeist::throttle {

namespace {

using std::chrono::milliseconds;

constexpr int rests_per_work = 4;  // a fifth of the time at work
constexpr milliseconds shortest_rest{1000};
constexpr milliseconds longest_rest{5000};

}  // namespace

milliseconds nice_rest(milliseconds time, double ratio) {
    return milliseconds(static_cast<std::int64_t>(static_cast<double>(time.count()) * ratio));
}

milliseconds replay_rest(milliseconds time, double nice_ratio, bool told_to_wait) {
    const milliseconds rest = nice_rest(time, nice_ratio);
    if (!told_to_wait) {
        return std::min(rest, longest_rest);
    }
    return std::clamp(std::max(rest, time * rests_per_work), shortest_rest, longest_rest);
}

}  // namespace pgeist::throttle
