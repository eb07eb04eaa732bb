#include "pgeist/plan/row_order.hpp"

#include <gtest/gtest.h>

#include "pgeist/core/error.hpp"

namespace pgeist::plan {
namespace {

std::string read(const std::string& text) {
    std::string all;
    for (const order_word& each : parse_row_order(text)) {
        all += all.empty() ? "" : "; ";
        all += each.name.display();
        all += each.descending ? " down" : "";
        all += each.nulls_first ? (*each.nulls_first ? " first" : " last") : "";
        all += each.bare ? " bare" : "";
    }
    return all;
}

TEST(plan_row_order, reads_columns_directions_and_an_index) {
    EXPECT_EQ(read("a"), "a bare");
    EXPECT_EQ(read("A desc"), "a down");
    EXPECT_EQ(read("a, b"), "a bare; b bare");
    EXPECT_EQ(read("a DESC b NULLS FIRST, c ASC nulls last"), "a down; b first; c last");
    EXPECT_EQ(read("\"Odd, one\" DESC,\"a\"\"b\""), "\"Odd, one\" down; \"a\"\"b\" bare");
    EXPECT_EQ(read("s.by_a"), "s.by_a bare");
    EXPECT_EQ(read("desc desc"), "desc down") << "a column may be called so";
}

TEST(plan_row_order, says_what_is_none) {
    for (const char* wrong :
         {"", " ", ",", "a,", ",a", "a,,b", "a NULLS", "a NULLS WHERE", "\"a", "a.b.c", "lower(a)"}) {
        EXPECT_THROW(static_cast<void>(parse_row_order(wrong)), usage_error) << wrong;
    }
}

}  // namespace
}  // namespace pgeist::plan
