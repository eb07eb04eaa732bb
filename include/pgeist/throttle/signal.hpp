#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "pgeist/pg/connection.hpp"
#include "pgeist/settings/settings.hpp"

namespace pgeist::throttle {

using clock = std::chrono::steady_clock;

/// How often the server is asked.
inline constexpr std::chrono::milliseconds sample_interval{1000};
/// One sample may take this long on the server.
inline constexpr std::chrono::milliseconds sample_timeout{3000};
/// A sample older than this says nothing about now.
inline constexpr std::chrono::milliseconds stale_after{5000};

/// One thing that can make a run wait. A signal whose limit is not set never does. Signals that must ask the server are
/// sampled on the gate's own connection; the decision itself is a pure function of the last sample and the time.
class signal {
public:
    signal() = default;
    virtual ~signal() = default;
    signal(const signal&) = delete;
    signal& operator=(const signal&) = delete;

    /// Takes its limit from the settings, at the start and whenever they change.
    virtual void configure(const run::settings& chosen) = 0;
    /// Why the run must wait now, for people; nothing when it may go on.
    [[nodiscard]] virtual std::optional<std::string> reason_to_wait(clock::time_point now) const = 0;

    [[nodiscard]] virtual bool needs_samples() const noexcept { return false; }
    /// Asks the server. @throws sql_error, which the caller passes to `sample_failed`
    [[nodiscard]] virtual awaitable<void> sample(pg::connection& session);
    virtual void sample_failed(const std::string& why);
    /// Why the run must give up, and not only wait; nothing when it need not.
    [[nodiscard]] virtual std::optional<std::string> reason_to_give_up() const { return std::nullopt; }
    /// What the signal measures of replicas, for displays: the furthest lag in bytes and in time.
    struct measured_lag {
        std::optional<std::int64_t> bytes;
        std::optional<std::chrono::milliseconds> time;
    };
    [[nodiscard]] virtual measured_lag lag() const { return {}; }
    /// Something people should know once, such as rights that are missing; empty: nothing.
    [[nodiscard]] virtual std::string warning() const { return {}; }
};

}  // namespace pgeist::throttle
