#include <gtest/gtest.h>

#include "pgeist/throttle/load.hpp"
#include "pgeist/throttle/pace.hpp"
#include "pgeist/throttle/replica_lag.hpp"
#include "pgeist/throttle/token_bucket.hpp"

namespace pgeist::throttle {
namespace {

using namespace std::chrono_literals;
using std::chrono::milliseconds;
using time_point = std::chrono::steady_clock::time_point;

const time_point start{1000s};

bool mentions(const std::optional<std::string>& reason, const std::string& text) {
    return reason && reason->find(text) != std::string::npos;
}

TEST(token_bucket, without_a_rate_never_waits) {
    token_bucket bucket;
    bucket.take(1'000'000, start);
    EXPECT_EQ(bucket.wait(start), 0ms);
}

TEST(token_bucket, makes_work_wait_until_it_is_paid_for) {
    token_bucket bucket;
    bucket.rate(1000);
    EXPECT_EQ(bucket.wait(start), 0ms) << "the first work starts at once";
    bucket.take(500, start);
    EXPECT_EQ(bucket.wait(start), 500ms);
    EXPECT_EQ(bucket.wait(start + 200ms), 300ms);
    EXPECT_EQ(bucket.wait(start + 500ms), 0ms);
    bucket.take(100, start);
    EXPECT_EQ(bucket.wait(start), 600ms) << "debts of several workers add up";
}

TEST(token_bucket, saves_at_most_a_second) {
    token_bucket bucket;
    bucket.rate(1000);
    bucket.take(0, start);
    bucket.take(1500, start + 1h);
    EXPECT_EQ(bucket.wait(start + 1h), 500ms);
}

TEST(token_bucket, holds_the_rate_over_time) {
    token_bucket bucket;
    bucket.rate(300);
    auto now = start;
    for (int chunk = 0; chunk < 100; ++chunk) {
        now += std::chrono::duration_cast<milliseconds>(bucket.wait(now));
        bucket.take(77, now);
    }
    const double seconds = std::chrono::duration<double>(now - start).count();
    EXPECT_NEAR(7700 / seconds, 300, 5);
}

TEST(token_bucket, forgets_its_debt_when_the_rate_changes) {
    token_bucket bucket;
    bucket.rate(1);
    bucket.take(1'000'000, start);
    bucket.rate(1'000'000);
    EXPECT_EQ(bucket.wait(start), 0ms);
    bucket.take(2'000'000, start);
    bucket.rate(1'000'000);
    EXPECT_EQ(bucket.wait(start), 2s) << "the same rate again changes nothing";
}

TEST(pace, nice_is_a_multiple_of_the_work) {
    EXPECT_EQ(nice_rest(500ms, 0), 0ms);
    EXPECT_EQ(nice_rest(500ms, 0.5), 250ms);
    EXPECT_EQ(nice_rest(500ms, 2), 1s);
}

TEST(pace, replay_is_slowed_but_never_starved) {
    EXPECT_EQ(replay_rest(100ms, 0, false), 0ms);
    EXPECT_EQ(replay_rest(100ms, 1, false), 100ms);
    EXPECT_EQ(replay_rest(10ms, 0, true), 1s);
    EXPECT_EQ(replay_rest(500ms, 0, true), 2s) << "a fifth of the time at work";
    EXPECT_EQ(replay_rest(1h, 100, true), 5s) << "but never longer than this";
    EXPECT_EQ(replay_rest(1h, 100, false), 5s);
}

TEST(wal_history, tells_since_when_a_replica_lacks_what_it_has_not_replayed) {
    wal_history history;
    for (int second = 0; second <= 10; ++second) {
        history.add(start + std::chrono::seconds(second), 1000 + 100 * second);
    }
    const auto now = start + 10s;
    EXPECT_EQ(history.behind(2000, now).time, 0ms);
    EXPECT_EQ(history.behind(2500, now).time, 0ms) << "it may have more than the last sample";
    EXPECT_EQ(history.behind(1500, now).time, 4s) << "what it lacks was written after second 5";
    EXPECT_TRUE(history.behind(1500, now).exact);
    EXPECT_EQ(history.behind(1500, now + 60s).time, 64s) << "paused replay falls behind while nothing is written";
    EXPECT_EQ(history.behind(500, now).time, 10s);
    EXPECT_FALSE(history.behind(500, now).exact) << "older than the history";
}

TEST(wal_history, of_an_idle_primary_does_not_grow) {
    wal_history history;
    history.add(start, 1000);
    history.add(start + 5s, 1000);
    history.add(start + 10s, 1100);
    EXPECT_EQ(history.behind(999, start + 10s).time, 10s);
    EXPECT_EQ(history.behind(1000, start + 10s).time, 0ms);
}

TEST(lag_time, is_the_worse_of_what_is_measured_and_what_the_server_reports) {
    using delay = wal_history::delay;
    EXPECT_EQ(lag_time(10, delay{4s, true}, 300ms, 2s), 4s) << "paused replay: the server's figure stands still";
    EXPECT_EQ(lag_time(10, delay{0ms, true}, 700ms, 2s), 700ms) << "finer than one sample a second";
    EXPECT_EQ(lag_time(10, delay{1s, true}, std::nullopt, 2s), 1s);
    EXPECT_EQ(lag_time(0, delay{0ms, true}, 6s, 2s), 0ms) << "caught up, whatever was measured last";
}

TEST(lag_time, is_unknown_when_nobody_can_tell) {
    using delay = wal_history::delay;
    EXPECT_EQ(lag_time(10, delay{1s, false}, std::nullopt, 2s), std::nullopt);
    EXPECT_EQ(lag_time(10, delay{1s, false}, std::nullopt, std::nullopt), std::nullopt);
    EXPECT_EQ(lag_time(10, delay{3s, false}, std::nullopt, 2s), 3s) << "at least three seconds are too much";
    EXPECT_EQ(lag_time(10, delay{3s, false}, 5s, 2s), 5s);
    EXPECT_EQ(lag_time(0, delay{0ms, true}, std::nullopt, 2s), 0ms) << "an idle replica reports nothing";
}

TEST(replica_roll, notices_who_is_lost) {
    replica_roll roll;
    EXPECT_TRUE(roll.missing_after({"a", "b", "b"}).empty());
    EXPECT_EQ(roll.missing_after({"b"}), (std::vector<std::string>{"a", "b"})) << "names need not be unique";
    EXPECT_TRUE(roll.missing_after({"a", "b", "b", "c"}).empty());
    roll.forget();
    EXPECT_TRUE(roll.missing_after({}).empty());
}

replica of(const std::string& name, std::optional<std::int64_t> bytes, std::optional<milliseconds> time) {
    replica made;
    made.name = name;
    made.bytes = bytes;
    made.time = time;
    return made;
}

class lag : public ::testing::Test {
protected:
    std::optional<std::string> judged(std::vector<replica> replicas, std::chrono::seconds age = 1s) {
        return judge_lag(limits, lag_sample{start, std::move(replicas)}, start + age);
    }
    lag_limits limits;
};

TEST_F(lag, without_a_limit_is_no_matter) {
    EXPECT_FALSE(judge_lag(limits, std::nullopt, start));
    EXPECT_FALSE(judged({of("a", std::nullopt, std::nullopt)}));
}

TEST_F(lag, in_bytes) {
    limits.bytes = 1 << 20;
    EXPECT_FALSE(judged({of("a", 1 << 20, std::nullopt)}));
    EXPECT_TRUE(mentions(judged({of("a", 0, 0ms), of("b", 50 << 20, 0ms)}), "replica b is 50 MB behind"));
}

TEST_F(lag, in_time) {
    limits.time = 10s;
    EXPECT_FALSE(judged({of("a", 1 << 30, 10s)}));
    EXPECT_TRUE(mentions(judged({of("a", 0, 11s)}), "replica a is 11.0s behind"));
}

TEST_F(lag, of_named_replicas_only) {
    limits.bytes = 100;
    limits.names = {"a"};
    EXPECT_FALSE(judged({of("a", 0, 0ms), of("b", 1000, 0ms)}));
    EXPECT_TRUE(mentions(judged({of("b", 0, 0ms)}), "replica a is not connected"));
    EXPECT_FALSE(judged({of("a", 0, 0ms), of("b", std::nullopt, std::nullopt)}));
}

TEST_F(lag, that_is_unknown_makes_the_run_wait) {
    limits.bytes = 100;
    EXPECT_TRUE(mentions(judge_lag(limits, std::nullopt, start), "not yet known"));
    EXPECT_TRUE(mentions(judged({of("a", std::nullopt, 0ms)}), "lag of replica a unknown"));
    limits.time = 1s;
    EXPECT_TRUE(mentions(judged({of("a", 0, std::nullopt)}), "lag of replica a unknown"));
    EXPECT_FALSE(judged({of("a", 0, 0ms)}, 5s));
    EXPECT_TRUE(mentions(judged({of("a", 0, 0ms)}, 6s), "unknown for 6.0s")) << "a sample grows stale";
}

TEST_F(lag, of_a_replica_that_has_disconnected_is_unknown) {
    limits.bytes = 100;
    replica gone = of("a", std::nullopt, std::nullopt);
    gone.gone = true;
    EXPECT_TRUE(mentions(judged({gone}), "replica a has disconnected"));
    EXPECT_TRUE(mentions(judged({gone, of("a", 0, 0ms)}), "has disconnected")) << "another of the same name is left";
    EXPECT_FALSE(judged({})) << "no replicas, nothing to lag";
    limits.names = {"a"};
    EXPECT_TRUE(mentions(judged({gone}), "not connected"));
}

TEST(load, above_its_limit_makes_the_run_wait) {
    EXPECT_FALSE(judge_load(std::nullopt, load_sample{start, 500}, start));
    EXPECT_FALSE(judge_load(10, load_sample{start, 10}, start));
    EXPECT_TRUE(mentions(judge_load(10, load_sample{start, 11}, start), "11 active sessions (limit 10)"));
}

TEST(load, that_is_unknown_does_not_stop_the_run_and_the_last_one_holds) {
    EXPECT_FALSE(judge_load(10, std::nullopt, start));
    EXPECT_FALSE(judge_load(10, load_sample{start, 3}, start + 1h));
    EXPECT_TRUE(mentions(judge_load(10, load_sample{start, 30}, start + 60s), "as of 1m00s ago"));
}

query_sample said(std::optional<std::string> value) {
    query_sample sample;
    sample.at = start;
    sample.value = std::move(value);
    return sample;
}

TEST(throttle_query, says_go_by_zero_or_false) {
    for (const char* go : {"0", "0.00", "-0", "0e5", "f", "false"}) {
        EXPECT_FALSE(judge_query(said(go), start)) << go;
    }
    for (const char* stop : {"1", "-1", "t", "0.1", "", "go", "0 rows"}) {
        EXPECT_TRUE(mentions(judge_query(said(stop), start), "returned " + std::string(stop))) << stop;
    }
}

TEST(throttle_query, that_gives_no_answer_makes_the_run_wait) {
    EXPECT_TRUE(mentions(judge_query(std::nullopt, start), "not yet answered"));
    EXPECT_TRUE(mentions(judge_query(said(std::nullopt), start), "returned nothing"));
    EXPECT_TRUE(mentions(judge_query(said("0"), start + 6s), "not answered for 6.0s"));
    query_sample failed = said(std::nullopt);
    failed.failure = "no such table";
    EXPECT_TRUE(mentions(judge_query(failed, start), "failed: no such table"));
}

}  // namespace
}  // namespace pgeist::throttle
