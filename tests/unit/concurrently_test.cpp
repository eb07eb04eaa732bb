#include <gtest/gtest.h>

#include "pgeist/concurrently/concurrently.hpp"

namespace pgeist::concurrently {
namespace {

TEST(concurrently, is_not_trusted_to_the_servers_whose_builds_may_miss_rows) {
    EXPECT_FALSE(builds_soundly(140000));
    EXPECT_FALSE(builds_soundly(140003));
    EXPECT_TRUE(builds_soundly(140004));
    EXPECT_TRUE(builds_soundly(140020));
    EXPECT_TRUE(builds_soundly(150000));
    EXPECT_TRUE(builds_soundly(190000));
}

}  // namespace
}  // namespace pgeist::concurrently
