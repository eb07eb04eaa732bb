#include "pgeist/supervise/run_eta.hpp"

#include <numeric>

namespace pgeist::supervise {

namespace {

/// What is done by then tells the rest; a phase that the estimate takes for shorter tells nothing of the others.
constexpr double least_done = 0.02;
constexpr double least_expected = 0.1;

}  // namespace

std::optional<double> run_eta::seconds(const std::vector<double>& expected, std::size_t now, std::optional<double> left,
                                       std::optional<double> done) {
    if (now >= expected.size()) {
        return std::nullopt;
    }
    if (left && done && *done >= least_done && *done < 1 && expected[now] >= least_expected) {
        slower_ = *left / (1 - *done) / expected[now];
    }
    if (!slower_) {
        return std::nullopt;
    }
    const auto next = expected.begin() + static_cast<std::ptrdiff_t>(now) + 1;
    const double later = std::accumulate(next, expected.end(), 0.0) * *slower_;
    return later + left.value_or(expected[now] * *slower_);
}

}  // namespace pgeist::supervise
