#pragma once

#include <functional>
#include <limits>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::transfer {

/// Workers side by side, as many as the limiter wants at each moment: one that is surplus ends after its piece of work,
/// a new one begins when more are wanted.
class worker_pool {
public:
    /// Does work until there is none, or until `surplus(number)`.
    using worker = std::function<awaitable<void>(int number)>;

    static constexpr int any = std::numeric_limits<int>::max();

    /// `work` and what `member` refers to outlive run(). `most`: never more, whatever the limiter wants.
    worker_pool(workspace& work, worker member, int most = any)
        : work_(&work), member_(std::move(member)), most_(most) {}

    /// Runs until a worker calls `finish()`; the first failure cancels all and is thrown when all have ended.
    [[nodiscard]] awaitable<void> run() { return seat(0); }

    /// Whether the worker of this number (from 0) is one too many.
    [[nodiscard]] bool surplus(int number) const { return number >= wanted(); }
    /// There is no more work.
    void finish();

private:
    [[nodiscard]] int wanted() const;
    [[nodiscard]] awaitable<void> seat(int number);
    [[nodiscard]] awaitable<void> occupy(int number);
    [[nodiscard]] awaitable<void> wait_until_wanted(int number);

    workspace* work_;
    worker member_;
    int most_;
    bool finished_ = false;
    std::vector<boost::asio::steady_timer*> waiting_;
};

}  // namespace pgeist::transfer
