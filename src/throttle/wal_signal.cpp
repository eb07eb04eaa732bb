#include <fmt/format.h>

#include "pgeist/throttle/pressure.hpp"
#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

/// The counter of requested checkpoints moved to a view of its own in 17.
std::string wal_sql(int server_major) {
    const char* requested = server_major >= 17 ? "(SELECT c.num_requested FROM pg_catalog.pg_stat_checkpointer c)"
                                               : "(SELECT c.checkpoints_req FROM pg_catalog.pg_stat_bgwriter c)";
    return fmt::format(
        "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0')::pg_catalog.int8 AS position, "
        "{} AS requested, (SELECT s.setting::pg_catalog.int8 * 1000 FROM pg_catalog.pg_settings s "
        "WHERE s.name = 'checkpoint_warning') AS warning_ms",
        requested);
}

class wal_signal : public signal {
public:
    void configure(const run::settings& chosen) override {
        limit_ = chosen.max_wal_rate;
        if (!limit_) {
            pressure_.forget();
        }
    }

    [[nodiscard]] std::optional<std::string> reason_to_wait(clock::time_point now) const override {
        return pressure_.judge(limit_, now);
    }

    [[nodiscard]] bool needs_samples() const noexcept override { return limit_.has_value(); }

    [[nodiscard]] awaitable<void> sample(pg::connection& session) override {
        const auto at = clock::now();
        std::string sql = wal_sql(session.server_major());
        const auto rows = co_await session.query(deadline::in(sample_timeout), std::move(sql));
        pressure_.add(at, rows.integer(0, "position"), rows.integer(0, "requested"),
                      std::chrono::milliseconds(rows.integer(0, "warning_ms")));
    }

private:
    std::optional<std::int64_t> limit_;
    wal_pressure pressure_;
};

}  // namespace

std::unique_ptr<signal> make_wal_signal() { return std::make_unique<wal_signal>(); }

}  // namespace pgeist::throttle
