#include "pgeist/throttle/load.hpp"
#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

class query_signal : public signal {
public:
    void configure(const run::settings& chosen) override {
        if (sql_ != chosen.throttle_query) {
            sql_ = chosen.throttle_query;
            last_.reset();
        }
    }

    [[nodiscard]] std::optional<std::string> reason_to_wait(clock::time_point now) const override {
        return sql_ ? judge_query(last_, now) : std::nullopt;
    }

    [[nodiscard]] bool needs_samples() const noexcept override { return sql_.has_value(); }

    [[nodiscard]] awaitable<void> sample(pg::connection& session) override {
        query_sample sample;
        sample.at = clock::now();
        // One message is one transaction. The user's query sees the search_path of the user's role, and cannot write.
        std::string script = "SET TRANSACTION READ ONLY; SET LOCAL search_path TO DEFAULT; " + *sql_;
        const auto rows = co_await session.execute(deadline::in(sample_timeout), std::move(script));
        if (!rows.empty() && rows.columns() > 0) {
            sample.value = rows.optional_text(0, 0);
        }
        last_ = std::move(sample);
    }

    void sample_failed(const std::string& why) override {
        query_sample sample;
        sample.at = clock::now();
        sample.failure = why;
        last_ = std::move(sample);
    }

private:
    std::optional<std::string> sql_;
    std::optional<query_sample> last_;
};

}  // namespace

std::unique_ptr<signal> make_query_signal() { return std::make_unique<query_signal>(); }

}  // namespace pgeist::throttle
