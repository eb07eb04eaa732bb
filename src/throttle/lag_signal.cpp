#include <algorithm>

#include "pgeist/throttle/replica_lag.hpp"
#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

// A receiver that writes WAL but replays none (pg_receivewal) counts by what it has written. Left out: base backups,
// and the short-lived senders of a subscription's first copy.
constexpr const char* lag_sql = R"(
SELECT p.position, r.*
FROM (SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), '0/0')::pg_catalog.int8 AS position) p
LEFT JOIN (
    SELECT COALESCE(NULLIF(s.application_name, ''), 'pid ' || s.pid::pg_catalog.text) AS name,
           pg_catalog.pg_wal_lsn_diff(COALESCE(s.replay_lsn, s.flush_lsn, s.write_lsn), '0/0')::pg_catalog.int8 AS replayed,
           (EXTRACT(epoch FROM CASE WHEN s.replay_lsn IS NOT NULL THEN s.replay_lag
                                    WHEN s.flush_lsn IS NOT NULL THEN s.flush_lag
                                    ELSE s.write_lag END) * 1000)::pg_catalog.int8 AS lag_ms
    FROM pg_catalog.pg_stat_replication s
    WHERE COALESCE(s.state, '') <> 'backup'
      AND s.application_name <> 'pg_basebackup'
      AND s.application_name !~ '^pg_[0-9]+_sync_[0-9]+_[0-9]+$'
) r ON true
)";

class lag_signal : public signal {
public:
    void configure(const run::settings& chosen) override {
        limits_ = lag_limits{chosen.max_lag_bytes, chosen.max_lag_time, chosen.lag_replicas};
        if (!limits_.set()) {
            last_.reset();
            roll_.forget();
            hidden_ = false;
        }
    }

    [[nodiscard]] std::optional<std::string> reason_to_wait(clock::time_point now) const override {
        return judge_lag(limits_, last_, now);
    }

    [[nodiscard]] bool needs_samples() const noexcept override { return limits_.set(); }

    [[nodiscard]] awaitable<void> sample(pg::connection& session) override {
        const auto at = clock::now();
        const auto rows = co_await session.query(deadline::in(sample_timeout), lag_sql);
        lag_sample sample;
        sample.at = at;
        history_.add(at, rows.integer(0, "position"));
        hidden_ = false;
        std::vector<std::string> connected;
        for (int row = 0; row < rows.rows(); ++row) {
            if (!rows.is_null(row, rows.column("name"))) {
                sample.replicas.push_back(read(rows, row, at));
                connected.push_back(sample.replicas.back().name);
            }
        }
        for (std::string& name : roll_.missing_after(connected)) {
            replica lost;
            lost.name = std::move(name);
            lost.gone = true;
            sample.replicas.push_back(std::move(lost));
        }
        last_ = std::move(sample);
    }

    [[nodiscard]] measured_lag lag() const override {
        measured_lag most;
        for (const replica& each : last_ ? last_->replicas : std::vector<replica>()) {
            most.bytes = std::max(most.bytes, each.bytes);
            most.time = std::max(most.time, each.time);
        }
        return most;
    }

    [[nodiscard]] std::string warning() const override {
        return hidden_
                   ? "--max-lag cannot read the position of a replica: grant pg_monitor to the role that runs pgeist"
                   : "";
    }

private:
    replica read(const pg::result& rows, int row, clock::time_point at) {
        replica one;
        one.name = rows.text(row, "name");
        if (rows.is_null(row, rows.column("replayed"))) {
            hidden_ = true;
            return one;
        }
        const auto replayed = rows.integer(row, "replayed");
        one.bytes = std::max<std::int64_t>(0, rows.integer(row, "position") - replayed);
        std::optional<std::chrono::milliseconds> reported;
        if (!rows.is_null(row, rows.column("lag_ms"))) {
            reported = std::chrono::milliseconds(rows.integer(row, "lag_ms"));
        }
        one.time = lag_time(*one.bytes, history_.behind(replayed, at), reported, limits_.time);
        return one;
    }

    lag_limits limits_;
    std::optional<lag_sample> last_;
    wal_history history_;
    replica_roll roll_;
    bool hidden_ = false;
};

}  // namespace

std::unique_ptr<signal> make_lag_signal() { return std::make_unique<lag_signal>(); }

}  // namespace pgeist::throttle
