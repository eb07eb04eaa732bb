#include "../../src/pg/option_names.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgeist::pg {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(option_names, are_those_with_a_dot_in_each_way_to_write_them) {
    EXPECT_THAT(custom_names_in_options("-c app.region=eu  -capp.tenant=7\t--app.long-name=x"),
                ElementsAre("app.region", "app.tenant", "app.long_name"));
}

TEST(option_names, are_found_behind_values_with_spaces) {
    EXPECT_THAT(custom_names_in_options(R"(-c app.a=one\ -c\ app.no=1 -c app.b=two)"), ElementsAre("app.a", "app.b"));
}

TEST(option_names, of_the_servers_own_settings_are_left_out) {
    EXPECT_THAT(custom_names_in_options("-c work_mem=8MB --search-path=a.b -c log_line_prefix=x.y -F -B 5"), IsEmpty());
    EXPECT_THAT(custom_names_in_options(""), IsEmpty());
    EXPECT_THAT(custom_names_in_options("-c"), IsEmpty());
}

}  // namespace
}  // namespace pgeist::pg
