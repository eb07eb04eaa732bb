#include "pgeist/throttle/pressure.hpp"
#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

// The smallest thing that a commit must wait for: a message in the WAL that nobody reads. It leaves no row behind and
// needs no right. In one message, so one transaction: what is measured is its round trip and its flush, and with
// synchronous replicas their answer.
constexpr const char* commit_sql =
    "SET LOCAL synchronous_commit TO DEFAULT; "
    "SELECT pg_catalog.pg_logical_emit_message(true, 'pgeist', 'commit latency')";

class commit_signal : public signal {
public:
    void configure(const run::settings& chosen) override {
        limit_ = chosen.max_commit_latency;
        if (!limit_) {
            last_.reset();
        }
    }

    [[nodiscard]] std::optional<std::string> reason_to_wait(clock::time_point now) const override {
        return judge_commit(limit_, last_, now);
    }

    [[nodiscard]] bool needs_samples() const noexcept override { return limit_.has_value(); }

    [[nodiscard]] awaitable<void> sample(pg::connection& session) override {
        const auto begun = clock::now();
        co_await session.execute(deadline::in(sample_timeout), commit_sql);
        commit_sample sample;
        sample.at = clock::now();
        sample.took = std::chrono::duration_cast<std::chrono::milliseconds>(sample.at - begun);
        last_ = std::move(sample);
    }

    void sample_failed(const std::string& why) override {
        commit_sample sample;
        sample.at = clock::now();
        sample.failure = why;
        last_ = std::move(sample);
    }

private:
    std::optional<std::chrono::milliseconds> limit_;
    std::optional<commit_sample> last_;
};

}  // namespace

std::unique_ptr<signal> make_commit_signal() { return std::make_unique<commit_signal>(); }

}  // namespace pgeist::throttle
