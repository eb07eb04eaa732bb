#include "support/prober.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace pgeist::test {

using clock = std::chrono::steady_clock;

prober::prober(const test_database& database, std::vector<std::string> statements)
    : connection_(database.connect()), statements_(std::move(statements)), thread_([this] { work(); }) {}

prober::~prober() {
    if (thread_.joinable()) {
        stop();
    }
}

long long prober::stop() {
    stop_ = true;
    thread_.join();
    EXPECT_EQ(error_, "");
    EXPECT_GT(rounds_, 0);
    return std::chrono::duration_cast<std::chrono::milliseconds>(longest_).count();
}

void prober::work() {
    constexpr std::chrono::milliseconds between{2};
    try {
        while (!stop_) {
            for (const std::string& each : statements_) {
                const auto begin = clock::now();
                connection_.execute(each);
                longest_ = std::max(longest_, clock::now() - begin);
            }
            ++rounds_;
            std::this_thread::sleep_for(between);
        }
    } catch (const std::exception& failure) {
        error_ = failure.what();
    }
}

slow_data::slow_data(sync_connection& superuser, const std::string& schema) : superuser_(superuser) {
    // Sequences are outside of transactions: whoever looks sees the rounds of now, also in an old snapshot. The counts
    // of a session are flushed between transactions only, so those before and after a command may be compared.
    superuser_.execute(fmt::format(R"sql(
        CREATE SCHEMA slow_data;
        CREATE SEQUENCE slow_data.rounds;
        CREATE SEQUENCE slow_data.held;
        CREATE FUNCTION slow_data.rows_read() RETURNS bigint LANGUAGE sql AS $$
            SELECT coalesce(sum(pg_stat_get_xact_tuples_returned(oid)), 0)::bigint FROM pg_catalog.pg_class
             WHERE relnamespace = '{0}'::regnamespace AND relkind IN ('r', 'm', 'i') $$;
        CREATE FUNCTION slow_data.begin_command() RETURNS event_trigger LANGUAGE plpgsql AS $$
        BEGIN
            PERFORM set_config('slow_data.read', slow_data.rows_read()::text, false);
        END $$;
        CREATE FUNCTION slow_data.end_command() RETURNS event_trigger LANGUAGE plpgsql AS $$
        DECLARE
            seen bigint := (SELECT last_value FROM slow_data.rounds);
            give_up timestamptz := clock_timestamp() + interval '{2} ms';
        BEGIN
            IF slow_data.rows_read() - current_setting('slow_data.read')::bigint < {1} THEN
                RETURN;
            END IF;
            PERFORM nextval('slow_data.held');
            -- The next round to end may have begun before; the one after it has not.
            WHILE (SELECT last_value FROM slow_data.rounds) < seen + 2 AND clock_timestamp() < give_up LOOP
                PERFORM pg_sleep(0.002);
            END LOOP;
        END $$;
        CREATE EVENT TRIGGER slow_data_begins ON ddl_command_start EXECUTE FUNCTION slow_data.begin_command();
        CREATE EVENT TRIGGER slow_data_ends ON ddl_command_end EXECUTE FUNCTION slow_data.end_command();
    )sql",
                                   schema, many_rows, at_most));
}

long long slow_data::held() {
    return superuser_.number("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM slow_data.held");
}

}  // namespace pgeist::test
