#include <gtest/gtest.h>

#include <array>

#include "pgeist/watch/build_figures.hpp"

namespace pgeist::watch {
namespace {

using std::chrono::seconds;

build_row row(const char* command, const char* phase, std::int64_t blocks = 0, std::int64_t tuples = 0) {
    build_row one;
    one.command = command;
    one.phase = phase;
    one.blocks_total = 100;
    one.blocks_done = blocks;
    one.tuples_total = 100;
    one.tuples_done = tuples;
    return one;
}

TEST(build_figures, grow_from_phase_to_phase_of_a_build_that_is_concurrent) {
    constexpr std::array phases{"initializing",
                                "waiting for writers before build",
                                "building index: scanning table",
                                "building index: sorting live tuples",
                                "building index: loading tuples in tree",
                                "waiting for writers before validation",
                                "index validation: scanning index",
                                "index validation: sorting tuples",
                                "index validation: scanning table",
                                "waiting for old snapshots",
                                "waiting for readers before marking dead",
                                "waiting for readers before dropping"};
    for (const char* command : {"CREATE INDEX CONCURRENTLY", "REINDEX CONCURRENTLY"}) {
        double before = 0;
        for (const char* phase : phases) {
            const double begun = percent_of(row(command, phase));
            const double ended = percent_of(row(command, phase, 100, 100));
            EXPECT_GE(begun, before) << phase;
            EXPECT_GE(ended, begun) << phase;
            EXPECT_LE(ended, 99) << phase << ": what waits is not done";
            before = ended;
        }
    }
}

TEST(build_figures, count_blocks_where_the_table_is_read_and_tuples_where_they_are_written) {
    EXPECT_DOUBLE_EQ(percent_of(row("CREATE INDEX", "building index: scanning table", 50, 0)), 30);
    EXPECT_DOUBLE_EQ(percent_of(row("CREATE INDEX", "building index: loading tuples in tree", 100, 0)), 70)
        << "the blocks are those of the phase before";
    EXPECT_DOUBLE_EQ(percent_of(row("CREATE INDEX", "building index: loading tuples in tree", 100, 100)), 100);
    EXPECT_DOUBLE_EQ(percent_of(row("CREATE INDEX", "building index", 50, 0)), 50) << "methods without subphases";
    EXPECT_DOUBLE_EQ(percent_of(row("CREATE INDEX", "a phase of a later server", 50, 50)), 0);
}

TEST(build_figures, tell_the_time_left_by_the_pace_until_now) {
    pace now;
    const pace::time_point start{};
    EXPECT_FALSE(now.eta_seconds());
    now.add(start, 20);
    EXPECT_FALSE(now.eta_seconds());
    now.add(start + seconds(10), 40);
    EXPECT_DOUBLE_EQ(now.eta_seconds().value_or(0), 30);
    now.add(start + seconds(20), 10);
    EXPECT_FALSE(now.eta_seconds()) << "begun anew";
    now.add(start + seconds(30), 20);
    EXPECT_DOUBLE_EQ(now.eta_seconds().value_or(0), 80);
}

}  // namespace
}  // namespace pgeist::watch
