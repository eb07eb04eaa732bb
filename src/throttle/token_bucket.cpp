#include "pgeist/throttle/token_bucket.hpp"

#include <algorithm>
#include <cmath>

namespace pgeist::throttle {

void token_bucket::rate(std::optional<std::int64_t> rows_per_second) {
    if (rows_per_second != rate_) {
        rate_ = rows_per_second;
        tokens_ = 0;
        counted_.reset();
    }
}

double token_bucket::tokens_at(time_point now) const {
    if (!rate_ || !counted_) {
        return tokens_;
    }
    const auto per_second = static_cast<double>(*rate_);
    const std::chrono::duration<double> passed = now - *counted_;
    return std::min(per_second, tokens_ + passed.count() * per_second);
}

void token_bucket::take(std::int64_t rows, time_point now) {
    if (!rate_) {
        return;
    }
    tokens_ = tokens_at(now) - static_cast<double>(rows);
    counted_ = now;
}

token_bucket::duration token_bucket::wait(time_point now) const {
    const double tokens = tokens_at(now);
    if (!rate_ || tokens >= 0) {
        return duration::zero();
    }
    // Rounded up: a wait cut short would be followed by another one of nothing.
    const double milliseconds = std::ceil(-tokens * 1000 / static_cast<double>(*rate_));
    return std::chrono::milliseconds(static_cast<std::int64_t>(milliseconds));
}

}  // namespace pgeist::throttle
