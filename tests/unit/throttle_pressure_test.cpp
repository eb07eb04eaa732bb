// Decisions of the throttle: slots, lock waiters, commit latency, WAL, critical load, and how many workers to have.

#include <gtest/gtest.h>

#include "pgeist/throttle/other_sessions.hpp"
#include "pgeist/throttle/pressure.hpp"
#include "pgeist/throttle/worker_governor.hpp"

namespace pgeist::throttle {
namespace {

using namespace std::chrono_literals;

const time_point start = time_point() + 1h;
constexpr std::int64_t megabyte = 1 << 20;

TEST(slots, hold_back_while_one_keeps_too_much_or_nothing_is_known) {
    slot_sample sample{start, {{"small", megabyte}, {"large", 3 * megabyte}}};
    EXPECT_EQ(judge_slots(std::nullopt, sample, start), std::nullopt);
    EXPECT_EQ(judge_slots(2 * megabyte, sample, start), "replication slot large keeps 3072 kB of WAL (limit 2048 kB)");
    EXPECT_EQ(judge_slots(3 * megabyte, sample, start), std::nullopt);
    EXPECT_EQ(judge_slots(megabyte, std::nullopt, start), "WAL kept by replication slots not yet known");
    EXPECT_EQ(judge_slots(9 * megabyte, sample, start + 7s), "WAL kept by replication slots not known for 7.0s");
}

TEST(lock_waiters, hold_back_by_the_last_count_known) {
    EXPECT_EQ(judge_lock_waiters(2, std::nullopt, start), std::nullopt);
    EXPECT_EQ(judge_lock_waiters(2, count_sample{start, 2}, start), std::nullopt);
    EXPECT_EQ(judge_lock_waiters(2, count_sample{start, 3}, start), "3 sessions wait for locks (limit 2)");
    EXPECT_EQ(judge_lock_waiters(2, count_sample{start, 3}, start + 8s),
              "3 sessions wait for locks (limit 2), as of 8.0s ago");
}

TEST(commit, holds_back_when_slow_or_not_to_be_had) {
    EXPECT_EQ(judge_commit(50ms, std::nullopt, start), std::nullopt);
    EXPECT_EQ(judge_commit(50ms, commit_sample{start, 50ms, ""}, start), std::nullopt);
    EXPECT_EQ(judge_commit(50ms, commit_sample{start, 80ms, ""}, start), "a small commit took 80ms (limit 50ms)");
    EXPECT_EQ(judge_commit(50ms, commit_sample{start, 0ms, "timed out"}, start), "a small commit failed: timed out");
}

TEST(wal, is_averaged_over_some_seconds) {
    wal_pressure pressure;
    EXPECT_EQ(pressure.judge(megabyte, start), std::nullopt);
    pressure.add(start, 0, 0, 30s);
    EXPECT_EQ(pressure.judge(megabyte, start), std::nullopt) << "one position is no rate";
    pressure.add(start + 1s, 4 * megabyte, 0, 30s);
    EXPECT_EQ(pressure.judge(3 * megabyte, start + 1s), "the server writes 4096 kB/s of WAL (limit 3072 kB/s)");
    for (int second = 2; second <= 12; ++second) {
        pressure.add(start + std::chrono::seconds(second), 4 * megabyte, 0, 30s);
    }
    EXPECT_EQ(pressure.judge(3 * megabyte, start + 12s), std::nullopt) << "the burst is out of the window";
    EXPECT_EQ(pressure.rate(), 0);
}

TEST(wal, checkpoints_hold_back_when_they_crowd) {
    wal_pressure pressure;
    pressure.add(start, 0, 10, 30s);
    pressure.add(start + 1s, 0, 11, 30s);
    EXPECT_EQ(pressure.judge(megabyte, start + 1s), std::nullopt) << "one checkpoint is no crowd";
    pressure.add(start + 21s, 0, 12, 30s);
    const auto reason = pressure.judge(megabyte, start + 21s);
    ASSERT_TRUE(reason.has_value());
    EXPECT_NE(reason->find("checkpoints"), std::string::npos);
    EXPECT_TRUE(pressure.judge(megabyte, start + 50s).has_value());
    EXPECT_EQ(pressure.judge(megabyte, start + 52s), std::nullopt) << "none since: go on";
    EXPECT_EQ(pressure.judge(std::nullopt, start + 21s), std::nullopt) << "nobody asked";
    pressure.add(start + 100s, 0, 13, 0s);
    pressure.add(start + 101s, 0, 14, 0s);
    EXPECT_EQ(pressure.judge(megabyte, start + 101s), std::nullopt) << "the server has no measure";
}

TEST(critical, load_must_last) {
    critical_watch watch;
    EXPECT_EQ(watch.seen(std::nullopt, 5s, 1000, start), std::nullopt);
    EXPECT_EQ(watch.seen(10, 5s, 11, start), std::nullopt);
    EXPECT_EQ(watch.seen(10, 5s, 50, start + 4s), std::nullopt);
    EXPECT_EQ(watch.seen(10, 5s, 10, start + 5s), std::nullopt) << "it has eased: the grace begins anew";
    EXPECT_EQ(watch.seen(10, 5s, 11, start + 6s), std::nullopt);
    EXPECT_EQ(watch.seen(10, 5s, 12, start + 11s),
              "12 active sessions, more than --critical-load allows (10), for 5.0s");
    critical_watch strict;
    EXPECT_TRUE(strict.seen(10, 0s, 11, start).has_value());
}

TEST(other_sessions, is_whoever_works_more_than_half_of_the_time) {
    other_sessions application;
    EXPECT_FALSE(application.present()) << "not known yet";
    application.seen(start, 0);
    EXPECT_FALSE(application.present());
    application.seen(start + 500ms, 1);
    EXPECT_FALSE(application.present()) << "one in two: somebody who comes by";
    application.seen(start + 1000ms, 1);
    EXPECT_TRUE(application.present()) << "two in three";
    application.seen(start + 1500ms, 4);
    EXPECT_TRUE(application.present());
    application.seen(start + 3500ms, 0);
    EXPECT_FALSE(application.present()) << "all others are too old";
    application.seen(start + 4000ms, 4);
    application.forget();
    EXPECT_FALSE(application.present());
}

/// A copy whose speed depends on the number of workers only.
struct machine {
    worker_governor governor{2};
    time_point now = start;
    double rows = 0;

    int run(std::chrono::seconds time, double (*speed)(int workers), bool held_back = false) {
        for (const auto end = now + time; now < end; now += 500ms) {
            rows += held_back ? 0 : speed(governor.workers()) / 2;
            static_cast<void>(governor.decide(now, static_cast<std::int64_t>(rows), held_back));
        }
        return governor.workers();
    }
};

TEST(governor, climbs_while_it_pays_and_stays_there) {
    machine four;
    EXPECT_EQ(four.run(60s, [](int workers) { return 1000.0 * std::min(workers, 4); }), 4);
    machine unlimited;
    EXPECT_EQ(unlimited.run(60s, [](int workers) { return 1000.0 * workers; }), worker_governor::most);
    machine flat;
    EXPECT_EQ(flat.run(18s, [](int) { return 1000.0; }), 2) << "one more brought nothing";
}

TEST(governor, sheds_at_once_and_never_all) {
    machine busy;
    busy.run(60s, [](int workers) { return 1000.0 * workers; });
    EXPECT_EQ(busy.run(
                  1s, [](int) { return 0.0; }, true),
              4);
    EXPECT_EQ(busy.run(
                  60s, [](int) { return 0.0; }, true),
              4)
        << "one request, one shedding";
    EXPECT_EQ(busy.run(5s, [](int workers) { return 1000.0 * workers; }), 4) << "it rests before it climbs again";
    for (int again = 0; again < 5; ++again) {
        busy.run(30s, [](int) { return 1000.0; });
        busy.run(
            1s, [](int) { return 0.0; }, true);
    }
    EXPECT_GE(busy.governor.workers(), worker_governor::least);
    EXPECT_LE(busy.governor.workers(), 2);
}

TEST(governor, keeps_the_number_while_nothing_is_copied) {
    const auto grows = [](int workers) { return 1000.0 * workers; };
    const auto nothing = [](int) { return 0.0; };
    machine idle;
    EXPECT_EQ(idle.run(600s, nothing), 2) << "replay, index builds: there is nothing to judge by";
    machine copied;
    copied.run(5s, grows);
    const int before = copied.run(600s, nothing);
    EXPECT_LE(before, 3);
    EXPECT_EQ(copied.run(600s, nothing), before);
    copied.governor.rest();  // the copy is over; now rows are compared, each a hundred times as slow
    EXPECT_EQ(copied.run(4s, [](int workers) { return 10.0 * workers; }), before + 1)
        << "what the copy achieved is no measure";
    // One more, and then nothing for a while: the trial is judged when there is something to judge it by.
    worker_governor slow(2);
    static_cast<void>(slow.decide(start, 0, false));
    ASSERT_EQ(slow.decide(start + 3s, 3000, false), 3);
    for (auto later = 4s; later < 600s; ++later) {
        ASSERT_EQ(slow.decide(start + later, 3000, false), 3);
    }
    EXPECT_EQ(slow.decide(start + 600s, 4000, false), 2);
}

TEST(governor, is_not_confused_by_a_copy_that_starts_again) {
    worker_governor governor(2);
    EXPECT_EQ(governor.decide(start, 1'000'000, false), 2);
    EXPECT_EQ(governor.decide(start + 4s, 0, false), 2);
    EXPECT_EQ(governor.decide(start + 5s, 100, false), 2);
    EXPECT_EQ(governor.decide(start + 8s, 4000, false), 3);
}

}  // namespace
}  // namespace pgeist::throttle
