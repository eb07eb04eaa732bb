#pragma once

#include <chrono>
#include <cstdint>

#include "pgeist/pg/connection.hpp"

namespace pgeist::throttle {

/// Where workers wait when the server, or the user, wants them to.
class limiter {
public:
    virtual ~limiter() = default;
    /// How many workers the copy and the verification should have now, of which the user chose `chosen`.
    [[nodiscard]] virtual int workers(int chosen) const { return chosen; }
    /// Whether others are at work on the server, so that what the user has not chosen should take one processor of it.
    [[nodiscard]] virtual bool others_at_work() const { return false; }
    /// Whether work that cannot be slowed, such as an index build, must not begin now.
    [[nodiscard]] virtual bool holds_back() const { return false; }
    /// To be awaited before a chunk of the copy or of verification; tells what the last one was.
    [[nodiscard]] virtual awaitable<void> before_chunk(std::int64_t rows, std::chrono::nanoseconds took) = 0;
    /// To be awaited before a batch of replay: slows it, but never stops it for long, since a growing log is the
    /// greater danger.
    [[nodiscard]] virtual awaitable<void> before_batch(std::int64_t rows, std::chrono::nanoseconds took) = 0;
};

}  // namespace pgeist::throttle
