#include <gtest/gtest.h>

#include "pgeist/core/error.hpp"
#include "pgeist/core/time_window.hpp"

namespace pgeist {
namespace {

constexpr int at(int hours, int minutes = 0) { return hours * 60 + minutes; }

int left(const std::string& windows, int minute) { return minutes_until_open(parse_windows(windows), minute).value(); }

TEST(time_window, is_open_from_its_begin_and_not_at_its_end) {
    EXPECT_EQ(left("09:00-17:00", at(8, 59)), 1);
    EXPECT_EQ(left("09:00-17:00", at(9)), 0);
    EXPECT_EQ(left("09:00-17:00", at(16, 59)), 0);
    EXPECT_EQ(left("09:00-17:00", at(17)), 16 * 60);
}

TEST(time_window, goes_over_midnight) {
    EXPECT_EQ(left("22:00-06:00", at(21)), 60);
    EXPECT_EQ(left("22:00-06:00", at(23, 30)), 0);
    EXPECT_EQ(left("22:00-06:00", at(0)), 0);
    EXPECT_EQ(left("22:00-6:00", at(5, 59)), 0);
    EXPECT_EQ(left("22:00-06:00", at(6)), 16 * 60);
}

TEST(time_window, of_equal_ends_or_to_24_is_what_it_says) {
    EXPECT_EQ(left("00:00-24:00", at(13)), 0);
    EXPECT_EQ(left("18:00-24:00", at(23, 59)), 0);
    EXPECT_EQ(left("18:00-24:00", at(0)), 18 * 60);
}

TEST(time_window, of_several_is_open_when_one_is) {
    EXPECT_EQ(left("01:00-02:00,12:00-13:00", at(12, 30)), 0);
    EXPECT_EQ(left("01:00-02:00,12:00-13:00", at(3)), 9 * 60);
    EXPECT_EQ(minutes_until_open({}, at(3)), std::nullopt);
}

TEST(time_window, that_is_none_is_refused) {
    for (const char* text :
         {"", "22:00", "22-06", "25:00-01:00", "22:60-23:00", "a-b", "22:00-06:00,", "-", "022:00-1:00"}) {
        EXPECT_THROW(static_cast<void>(parse_windows(text)), usage_error) << text;
    }
}

}  // namespace
}  // namespace pgeist
