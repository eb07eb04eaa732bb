#include "pgeist/throttle/pressure.hpp"
#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

// pg_locks and application names are visible to every role, the wait events of others are not.
constexpr const char* waiters_sql = R"(
SELECT pg_catalog.count(DISTINCT l.pid) AS waiting
FROM pg_catalog.pg_locks l LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid
WHERE NOT l.granted AND l.pid <> pg_catalog.pg_backend_pid()
  AND COALESCE(a.application_name, '') NOT LIKE 'pgeist%'
)";

class lock_waiters_signal : public signal {
public:
    void configure(const run::settings& chosen) override {
        limit_ = chosen.max_lock_waiters;
        if (!limit_) {
            last_.reset();
        }
    }

    [[nodiscard]] std::optional<std::string> reason_to_wait(clock::time_point now) const override {
        return judge_lock_waiters(limit_, last_, now);
    }

    [[nodiscard]] bool needs_samples() const noexcept override { return limit_.has_value(); }

    [[nodiscard]] awaitable<void> sample(pg::connection& session) override {
        const auto at = clock::now();
        const auto rows = co_await session.query(deadline::in(sample_timeout), waiters_sql);
        last_ = count_sample{at, static_cast<int>(rows.integer(0, "waiting"))};
    }

private:
    std::optional<int> limit_;
    std::optional<count_sample> last_;
};

}  // namespace

std::unique_ptr<signal> make_lock_waiters_signal() { return std::make_unique<lock_waiters_signal>(); }

}  // namespace pgeist::throttle
