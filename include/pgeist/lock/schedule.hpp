#pragma once

#include <chrono>
#include <cstdint>
#include <random>

namespace pgeist::lock {

using milliseconds = std::chrono::milliseconds;

/// How a strong lock on a live table may be asked for.
struct policy {
    milliseconds lock_timeout{200};  ///< what queues behind us waits at most this long
    int attempts = 100;
    milliseconds max_wait{std::chrono::minutes(30)};
    /// Below the server's deadlock_timeout, for waits while a lock is held that somebody else may want: a deadlock ends
    /// with our timeout and never with an application's error.
    milliseconds longest_timeout{800};
    /// Beyond the server's deadlock_timeout, after which an autovacuum in the way of a waiter is cancelled. Only for
    /// waits that hold up nobody.
    milliseconds vacuum_timeout{1500};
};

/// One attempt: wait `pause` first, then ask with `timeout`; zero means NOWAIT.
struct attempt {
    int number = 0;
    milliseconds pause{0};
    milliseconds timeout{0};
    /// The same where one lock is asked for and none is held meanwhile, not even one against autovacuum: nothing can be
    /// in a circle then, and lock_timeout is the only limit.
    milliseconds timeout_alone{0};
    /// What a lock that is asked for under the one obtained may wait, whichever way that was obtained.
    milliseconds timeout_afterwards{200};
    milliseconds vacuum_timeout{1500};
};

/// The sequence of attempts: first NOWAIT with short pauses, which queue nobody; then the same short lock_timeout each
/// time, with growing pauses in between, in which the application works off what queued behind us. Jitter, so that
/// attempts do not fall into step with a periodic load. Pure but for its random numbers.
class schedule {
public:
    static constexpr int nowait_attempts = 10;

    explicit schedule(policy rules, std::uint64_t seed = std::random_device{}());
    [[nodiscard]] attempt next();
    /// Takes what may change in the course of the attempts.
    void follow(milliseconds lock_timeout, int attempts) noexcept;
    [[nodiscard]] int made() const noexcept { return made_; }
    [[nodiscard]] bool exhausted() const noexcept { return made_ >= rules_.attempts; }

private:
    [[nodiscard]] milliseconds jitter(double base);
    policy rules_;
    std::mt19937_64 random_;
    int made_ = 0;
};

}  // namespace pgeist::lock
