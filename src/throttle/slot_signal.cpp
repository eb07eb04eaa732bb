#include "pgeist/throttle/pressure.hpp"
#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

// A slot that is lost keeps nothing any more. That of REPACK (CONCURRENTLY) keeps what is written while another table
// is copied: it goes with its session, and waiting for it helps nobody.
constexpr const char* slots_sql = R"(
SELECT s.slot_name, pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), s.restart_lsn)::pg_catalog.int8 AS bytes
FROM pg_catalog.pg_replication_slots s
WHERE s.restart_lsn IS NOT NULL AND s.wal_status IS DISTINCT FROM 'lost'
  AND NOT (s.temporary AND s.plugin IS NOT DISTINCT FROM 'pgrepack')
ORDER BY bytes DESC
)";

class slot_signal : public signal {
public:
    void configure(const run::settings& chosen) override {
        limit_ = chosen.max_slot_lag;
        if (!limit_) {
            last_.reset();
        }
    }

    [[nodiscard]] std::optional<std::string> reason_to_wait(clock::time_point now) const override {
        return judge_slots(limit_, last_, now);
    }

    [[nodiscard]] bool needs_samples() const noexcept override { return limit_.has_value(); }

    [[nodiscard]] awaitable<void> sample(pg::connection& session) override {
        slot_sample sample;
        sample.at = clock::now();
        const auto rows = co_await session.query(deadline::in(sample_timeout), slots_sql);
        for (int row = 0; row < rows.rows(); ++row) {
            slot one;
            one.name = rows.text(row, "slot_name");
            one.bytes = rows.integer(row, "bytes");
            sample.slots.push_back(std::move(one));
        }
        last_ = std::move(sample);
    }

private:
    std::optional<std::int64_t> limit_;
    std::optional<slot_sample> last_;
};

}  // namespace

std::unique_ptr<signal> make_slot_signal() { return std::make_unique<slot_signal>(); }

}  // namespace pgeist::throttle
