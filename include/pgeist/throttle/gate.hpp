#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "pgeist/pg/awaitable.hpp"
#include "pgeist/pg/connect_options.hpp"
#include "pgeist/pg/session_profile.hpp"
#include "pgeist/settings/settings.hpp"
#include "pgeist/throttle/pace.hpp"
#include "pgeist/throttle/signal.hpp"
#include "pgeist/throttle/token_bucket.hpp"

namespace pgeist::throttle {

/// What all workers pass through before each piece of work: it holds them back while a signal says so, and paces them.
/// One gate a run, used from one thread. Limits that ask the server need `watch` to run beside; until its first sample
/// the strict ones (lag, throttle query) hold everybody back.
class gate {
public:
    explicit gate(const run::settings& chosen);
    ~gate();
    gate(const gate&) = delete;
    gate& operator=(const gate&) = delete;

    /// Waits until work may go on: copying, index builds, verifying. `last` is what this worker has just done.
    /// @throws pgeist::cancelled on terminal cancellation
    [[nodiscard]] awaitable<void> pass(work last);
    /// The same for replay, which is slowed but never stopped, and not limited in its rate.
    /// @throws pgeist::cancelled on terminal cancellation
    [[nodiscard]] awaitable<void> pass_replay(work last);

    /// Why the run waits now, for people; nothing when it may go on. Cheap: may be asked at every progress report.
    [[nodiscard]] std::optional<std::string> reason() const;

    /// Why the run must give up (`--critical-load`), if so.
    [[nodiscard]] std::optional<std::string> reason_to_give_up() const;
    /// Whether a signal, or the user, holds work back now; the rate and `--nice` do not count.
    [[nodiscard]] bool holds_back() const;
    /// The furthest lag of a replica, as far as it is measured.
    [[nodiscard]] signal::measured_lag lag() const;

    /// `pgeist pause`: holds everybody back until `unpause`. `why` is shown, for example `paused by alice`.
    void pause(std::string why) { paused_ = std::move(why); }
    void unpause() noexcept { paused_.reset(); }
    [[nodiscard]] bool paused() const noexcept { return paused_.has_value(); }

    /// Takes changed limits, as after `pgeist set`.
    void configure(const run::settings& chosen);

    /// Rows a single chunk should have at most, so that `--max-rate` makes short rests and not long ones.
    [[nodiscard]] std::optional<std::int64_t> chunk_limit() const noexcept { return bucket_.rate(); }

    /// Samples the signals every second on a connection of its own, which it opens when it is needed and again when it
    /// breaks, with the job's settings (a query that asks for the time of day must not depend on who resumes the job).
    /// Returns on terminal cancellation, without throwing; otherwise runs for ever.
    [[nodiscard]] awaitable<void> watch(pg::connect_options options, pg::session_profile profile = {});

    /// What people should be warned of, each text once.
    [[nodiscard]] std::vector<std::string> take_warnings();

private:
    [[nodiscard]] std::optional<std::string> told_to_wait(clock::time_point now) const;
    [[nodiscard]] bool needs_samples() const;
    [[nodiscard]] awaitable<void> sample_all(const pg::connect_options& options);
    [[nodiscard]] awaitable<void> connect(pg::connect_options options);
    [[nodiscard]] awaitable<void> sample_one(signal& each);
    void failed(const std::string& why);
    void warn(const std::string& text);

    std::vector<std::unique_ptr<signal>> signals_;
    token_bucket bucket_;
    double nice_ = 0;
    std::optional<std::string> paused_;
    pg::session_profile profile_;
    std::unique_ptr<pg::connection> session_;
    std::vector<std::string> warned_;
    std::size_t warnings_taken_ = 0;
};

}  // namespace pgeist::throttle
