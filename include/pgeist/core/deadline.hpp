#pragma once

#include <algorithm>
#include <chrono>

namespace pgeist {

/// An absolute point in time until which an operation may wait. `never()` is for work whose length nobody can bound
/// (an index build, a chunk): such work is ended by cancellation or by the server's own timeouts instead.
class deadline {
public:
    using clock = std::chrono::steady_clock;

    [[nodiscard]] static deadline never() noexcept { return deadline(clock::time_point::max()); }
    [[nodiscard]] static deadline in(clock::duration time) noexcept { return deadline(clock::now() + time); }

    [[nodiscard]] bool is_never() const noexcept { return at_ == clock::time_point::max(); }
    [[nodiscard]] bool passed() const noexcept { return !is_never() && clock::now() >= at_; }
    [[nodiscard]] clock::time_point time_point() const noexcept { return at_; }
    /// Time left, never negative; `duration::max()` when there is no deadline.
    [[nodiscard]] clock::duration left() const noexcept {
        return is_never() ? clock::duration::max() : std::max(clock::duration::zero(), at_ - clock::now());
    }

private:
    explicit deadline(clock::time_point at) noexcept : at_(at) {}
    clock::time_point at_;
};

}  // namespace pgeist
