#include "pgeist/throttle/load.hpp"
#include "pgeist/throttle/pressure.hpp"
#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

// Without pg_monitor (or the session's role) the state of other roles' sessions is null.
constexpr const char* load_sql = R"(
SELECT pg_catalog.count(*) FILTER (WHERE a.state = 'active') AS active,
       pg_catalog.count(*) FILTER (WHERE a.backend_type IS NULL AND a.usesysid IS NOT NULL) AS hidden
FROM pg_catalog.pg_stat_activity a
WHERE a.pid <> pg_catalog.pg_backend_pid()
  AND (a.backend_type = 'client backend' OR a.backend_type IS NULL)
  AND a.application_name NOT LIKE 'pgeist%'
)";

class load_signal : public signal {
public:
    void configure(const run::settings& chosen) override {
        limit_ = chosen.max_load;
        critical_ = chosen.critical_load;
        grace_ = chosen.critical_grace;
        if (!needs_samples()) {
            last_.reset();
        }
    }

    [[nodiscard]] std::optional<std::string> reason_to_wait(clock::time_point now) const override {
        return judge_load(limit_, last_, now);
    }

    [[nodiscard]] bool needs_samples() const noexcept override { return limit_.has_value() || critical_.has_value(); }

    [[nodiscard]] awaitable<void> sample(pg::connection& session) override {
        const auto at = clock::now();
        const auto rows = co_await session.query(deadline::in(sample_timeout), load_sql);
        last_ = load_sample{at, static_cast<int>(rows.integer(0, "active"))};
        hidden_ = rows.integer(0, "hidden") > 0;
        give_up_ = watch_.seen(critical_, grace_, last_->active, at);
    }

    [[nodiscard]] std::optional<std::string> reason_to_give_up() const override { return give_up_; }

    [[nodiscard]] std::string warning() const override {
        return hidden_ ? "the limit on active sessions sees only a part of the sessions: grant pg_monitor to the role "
                         "that runs pgeist"
                       : "";
    }

private:
    std::optional<int> limit_;
    std::optional<int> critical_;
    std::chrono::milliseconds grace_{0};
    critical_watch watch_;
    std::optional<std::string> give_up_;
    std::optional<load_sample> last_;
    bool hidden_ = false;
};

}  // namespace

std::unique_ptr<signal> make_load_signal() { return std::make_unique<load_signal>(); }

}  // namespace pgeist::throttle
