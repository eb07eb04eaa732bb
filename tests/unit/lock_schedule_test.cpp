#include <gtest/gtest.h>

#include "pgeist/lock/schedule.hpp"

namespace pgeist::lock {
namespace {

TEST(LockSchedule, QueuesNobodyAtFirst) {
    schedule attempts(policy(), 1);
    for (int number = 1; number <= schedule::nowait_attempts; ++number) {
        const attempt next = attempts.next();
        EXPECT_EQ(next.number, number);
        EXPECT_EQ(next.timeout, milliseconds(0));
        EXPECT_LE(next.pause, milliseconds(30));
    }
    EXPECT_GT(attempts.next().timeout, milliseconds(0));
}

TEST(LockSchedule, NeverWaitsLongerThanTheUsersTimeout) {
    policy rules;
    rules.lock_timeout = milliseconds(20);
    rules.attempts = 1000;
    schedule attempts(rules, 2);
    milliseconds longest{0};
    while (!attempts.exhausted()) {
        const attempt next = attempts.next();
        longest = std::max(longest, next.timeout);
        EXPECT_LE(next.pause, milliseconds(15'000));
    }
    EXPECT_EQ(longest, rules.lock_timeout);
    EXPECT_EQ(attempts.made(), 1000);
}

TEST(LockSchedule, ObeysTheUserWhereOneLockIsAskedForAlone) {
    policy rules;
    rules.lock_timeout = milliseconds(3000);
    rules.longest_timeout = milliseconds(80);
    rules.vacuum_timeout = milliseconds(600);
    schedule attempts(rules, 5);
    for (int number = 0; number < schedule::nowait_attempts; ++number) {
        EXPECT_EQ(attempts.next().timeout_afterwards, milliseconds(80)) << "the lock is held then";
    }
    const attempt waiting = attempts.next();
    EXPECT_EQ(waiting.timeout_alone, milliseconds(3000));
    EXPECT_EQ(waiting.timeout, milliseconds(80)) << "where there are several";
}

// Such an attempt holds SHARE UPDATE EXCLUSIVE while it waits, which somebody's ANALYZE or DDL may want.
TEST(LockSchedule, KeepsTheCapForOneLockWhereAutovacuumIsToGoFirst) {
    policy rules;
    rules.lock_timeout = milliseconds(599);
    rules.longest_timeout = milliseconds(80);
    rules.vacuum_timeout = milliseconds(600);
    schedule attempts(rules, 6);
    for (int number = 0; number < schedule::nowait_attempts; ++number) {
        EXPECT_EQ(attempts.next().timeout_alone, milliseconds(0));
    }
    EXPECT_EQ(attempts.next().timeout_alone, milliseconds(80));
    attempts.follow(milliseconds(600), 100);
    EXPECT_EQ(attempts.next().timeout_alone, milliseconds(600));
}

// Else the application's own deadlock check could be the first to strike.
TEST(LockSchedule, StaysBelowTheDeadlockTimeoutWhateverTheUserSays) {
    policy rules;
    rules.lock_timeout = milliseconds(3000);
    rules.longest_timeout = milliseconds(80);
    schedule attempts(rules, 3);
    for (int number = 0; number < schedule::nowait_attempts; ++number) {
        EXPECT_EQ(attempts.next().timeout_afterwards, milliseconds(80));
    }
    EXPECT_EQ(attempts.next().timeout, milliseconds(80));
    attempts.follow(milliseconds(5), 100);
    EXPECT_EQ(attempts.next().timeout, milliseconds(5));
}

TEST(LockSchedule, PausesGrowBetweenWaitingAttempts) {
    schedule attempts(policy(), 4);
    milliseconds early{0};
    milliseconds late{0};
    for (int number = 1; number <= 40; ++number) {
        const attempt next = attempts.next();
        if (number > 10 && number <= 15) {
            early += next.pause;
        } else if (number > 35) {
            late += next.pause;
        }
    }
    EXPECT_GT(late, early * 5);
}

}  // namespace
}  // namespace pgeist::lock
