#include <exception>

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
        const auto until = deadline::in(sample_timeout);
        query_sample sample;
        sample.at = clock::now();
        std::exception_ptr failure;
        try {
            // The user's query sees the search_path of the user's role, and cannot write.
            co_await session.execute(until, "BEGIN READ ONLY; SET LOCAL search_path TO DEFAULT");
            const auto rows = co_await session.query(until, *sql_);
            if (!rows.empty() && rows.columns() > 0) {
                sample.value = rows.optional_text(0, 0);
            }
        } catch (...) {
            failure = std::current_exception();
        }
        co_await session.rollback();
        if (failure) {
            std::rethrow_exception(failure);
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
