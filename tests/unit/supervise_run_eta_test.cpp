#include <gtest/gtest.h>

#include "pgeist/supervise/run_eta.hpp"

namespace pgeist::supervise {
namespace {

const std::vector<double> expected{0, 10, 5, 15, 1};  // prepare, copy, build, verify, swap

TEST(run_eta, corrects_the_estimates_by_what_the_phase_at_work_takes) {
    run_eta whole;
    EXPECT_FALSE(whole.seconds(expected, 0, std::nullopt, std::nullopt)) << "nothing but estimates";
    EXPECT_FALSE(whole.seconds(expected, 1, 100, 0.001)) << "too early to tell";
    EXPECT_DOUBLE_EQ(whole.seconds(expected, 1, 10, 0.5).value_or(0), 10 + 2 * 21) << "twice as long as expected";
    EXPECT_DOUBLE_EQ(whole.seconds(expected, 2, std::nullopt, std::nullopt).value_or(0), 2 * 21)
        << "a phase that cannot tell takes as much longer as the one before";
    EXPECT_DOUBLE_EQ(whole.seconds(expected, 3, 7.5, 0.5).value_or(0), 7.5 + 1);
}

TEST(run_eta, learns_nothing_from_phases_that_take_no_time) {
    run_eta whole;
    EXPECT_FALSE(whole.seconds(expected, 0, 3, 0.5));
    EXPECT_FALSE(whole.seconds(expected, 9, 3, 0.5)) << "no such phase";
}

}  // namespace
}  // namespace pgeist::supervise
