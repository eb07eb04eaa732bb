#include <gtest/gtest.h>

#include "pgeist/transfer/replay/backlog.hpp"

namespace pgeist::replay {
namespace {

using namespace std::chrono_literals;

/// Feeds looks one second apart.
class ReplayBacklog : public ::testing::Test {
protected:
    bool look(std::int64_t left, std::int64_t taken = 1000, int most = 4) {
        now += 1s;
        backlog_watch::look seen;
        seen.left = left;
        seen.taken = taken;
        seen.small = 100;
        seen.most = most;
        seen.at = now;
        return watch.add(seen);
    }

    backlog_watch watch;
    backlog_watch::clock::time_point now{1000s};
};

TEST_F(ReplayBacklog, OneSessionIsEnoughForABacklogThatShrinksOrIsSmall) {
    for (std::int64_t left = 1'000'000; left > 100; left = left * 8 / 10) {
        EXPECT_FALSE(look(left));
        EXPECT_EQ(watch.workers(), 1);
        EXPECT_EQ(watch.stuck_for(now), 0s);
    }
    for (int round = 0; round < 100; ++round) {
        EXPECT_FALSE(look(round % 100));
    }
    EXPECT_EQ(watch.workers(), 1);
}

TEST_F(ReplayBacklog, OneWaveBringsNoSession) {
    EXPECT_FALSE(look(500));
    EXPECT_FALSE(look(90'000));
    EXPECT_FALSE(look(80'000));
    EXPECT_FALSE(look(300));
    EXPECT_EQ(watch.workers(), 1);
}

TEST_F(ReplayBacklog, GrowthBringsSessionsOneByOneUpToTheBound) {
    std::vector<int> workers;
    for (int round = 0; round < 20; ++round) {
        look(1000 + 500 * round);
        workers.push_back(watch.workers());
    }
    EXPECT_EQ(workers[2], 1);
    EXPECT_EQ(workers[3], 2);
    EXPECT_EQ(workers[6], 3);
    EXPECT_EQ(workers.back(), 4);
}

TEST_F(ReplayBacklog, WhatWasStuckIsForgottenButNotTheSessionsThatItTook) {
    for (int round = 0; round < 20; ++round) {
        look(1000 + 500 * round);
    }
    ASSERT_TRUE(watch.all_tried());
    watch.begin_anew();
    EXPECT_EQ(watch.workers(), 4);
    look(50'000);
    EXPECT_FALSE(watch.all_tried());
    EXPECT_EQ(watch.stuck_for(now), 0s);
}

TEST_F(ReplayBacklog, ABacklogThatGoesUpAndDownIsStuckToo) {
    for (int round = 0; round < 40; ++round) {
        look(round % 2 == 0 ? 10'000 : 20'000);
    }
    EXPECT_EQ(watch.workers(), 4);
    EXPECT_EQ(watch.stuck_for(now), 39s);
    EXPECT_TRUE(watch.all_tried());
    look(8'000);
    EXPECT_FALSE(watch.all_tried()) << "this is progress";
}

TEST_F(ReplayBacklog, SlowButSteadyConvergenceIsProgress) {
    int warnings = 0;
    std::int64_t left = 1'000'000;
    for (int round = 0; round < 60; ++round) {
        warnings += look(left) ? 1 : 0;
        left = left * 94 / 100;
        EXPECT_LE(watch.stuck_for(now), 2s);
    }
    EXPECT_EQ(warnings, 0);
    EXPECT_EQ(watch.workers(), 1);
}

TEST_F(ReplayBacklog, ItWarnsOnlyWhenAllSessionsAreAtWorkAndThenEveryFewMinutes) {
    int warnings = 0;
    int first = 0;
    for (int second = 1; second <= 700; ++second) {
        if (look(10'000 + 100 * second, 900)) {
            EXPECT_EQ(watch.workers(), 4);
            EXPECT_TRUE(watch.all_tried());
            first = first == 0 ? second : first;
            ++warnings;
        }
    }
    EXPECT_GT(first, 10);
    EXPECT_LT(first, 20);
    EXPECT_EQ(warnings, 3);
    EXPECT_NEAR(watch.replayed_per_second(), 900, 1);
    EXPECT_NEAR(watch.written_per_second(), 1000, 1);
}

TEST_F(ReplayBacklog, TheSessionsGoWhenTheBacklogIsSmallAgain) {
    for (int round = 0; round < 20; ++round) {
        look(5000);
    }
    ASSERT_EQ(watch.workers(), 4);
    for (int round = 0; round < 4; ++round) {
        look(10);
    }
    EXPECT_EQ(watch.workers(), 4) << "the load may come back at once";
    for (int round = 0; round < 30; ++round) {
        look(10);
    }
    EXPECT_EQ(watch.workers(), 1);
    EXPECT_EQ(watch.stuck_for(now), 0s);
}

TEST_F(ReplayBacklog, ALowerBoundIsObeyedAtOnce) {
    for (int round = 0; round < 20; ++round) {
        look(5000);
    }
    ASSERT_EQ(watch.workers(), 4);
    look(5000, 1000, 2);
    EXPECT_EQ(watch.workers(), 2);
    look(5000, 1000, 0);
    EXPECT_EQ(watch.workers(), 1);
}

TEST_F(ReplayBacklog, TheWarningSaysHowMuchHowFastAndWhatToDo) {
    for (int second = 1; second <= 30; ++second) {
        look(10'000 + 100 * second, 900);
    }
    const std::string text = describe_stuck(watch, 13'000, 4, "", 7);
    EXPECT_NE(text.find("does not converge: 13,000 changes wait; 1,000 are written per second and 900 replayed, by 4"),
              std::string::npos)
        << text;
    EXPECT_NE(text.find("pgeist set 7 workers=8"), std::string::npos) << text;
    EXPECT_EQ(text.find("held back"), std::string::npos) << text;
    EXPECT_NE(describe_stuck(watch, 13'000, 4, "paused by ann", 7).find("held back: paused by ann"), std::string::npos);
    const std::string alone = describe_stuck(watch, 13'000, 1, "", 7);
    EXPECT_NE(alone.find("cannot be hashed"), std::string::npos) << alone;
    EXPECT_EQ(alone.find("workers="), std::string::npos) << alone;
}

}  // namespace
}  // namespace pgeist::replay
