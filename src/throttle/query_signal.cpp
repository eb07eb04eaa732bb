#include "pgeist/throttle/load.hpp"
#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

// The user's query sees the search_path of the user's role. A transaction that has had a query can no longer be made
// read-write.
constexpr const char* begin_sql =
    "BEGIN TRANSACTION READ ONLY; SET LOCAL search_path TO DEFAULT; SELECT pg_catalog.now()";

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
        std::exception_ptr failure;
        try {
            sample.value = co_await answer(session, *sql_);
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
    /// Leaves its transaction open. The extended protocol takes one statement only: what would end the transaction
    /// cannot be followed by what writes.
    static awaitable<std::optional<std::string>> answer(pg::connection& session, std::string sql) {
        const auto until = deadline::in(sample_timeout);
        co_await session.execute(until, begin_sql);
        const pg::parameters none;
        const auto rows = co_await session.query_params(std::move(sql), none, until);
        std::optional<std::string> value;
        if (!rows.empty() && rows.columns() > 0) {
            value = rows.optional_text(0, 0);
        }
        co_return value;
    }

    std::optional<std::string> sql_;
    std::optional<query_sample> last_;
};

}  // namespace

std::unique_ptr<signal> make_query_signal() { return std::make_unique<query_signal>(); }

}  // namespace pgeist::throttle
