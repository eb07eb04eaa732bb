#include "../../src/transfer/verify/used_indexes.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pgeist::verify {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const qualified_name table{"public", "t"};

TEST(used_indexes, are_those_of_the_table_at_any_depth) {
    EXPECT_THAT(indexes_in_plan(
                    R"([{"Plan": {"Node Type": "Subquery Scan", "Plans": [
                {"Node Type": "Tid Range Scan", "Relation Name": "t", "Schema": "public"},
                {"Node Type": "Index Scan", "Relation Name": "t", "Schema": "public", "Index Name": "a"},
                {"Node Type": "Index Scan", "Relation Name": "t", "Schema": "pgeist_1", "Index Name": "of_the_shadow"},
                {"Node Type": "Bitmap Heap Scan", "Relation Name": "t", "Schema": "public", "Plans": [
                    {"Node Type": "Bitmap Index Scan", "Index Name": "b"}]},
                {"Node Type": "Index Only Scan", "Relation Name": "t", "Schema": "public", "Index Name": "a"}]}}])",
                    table),
                ElementsAre("a", "b"));
}

TEST(used_indexes, of_what_is_no_plan_are_none) {
    EXPECT_THAT(indexes_in_plan("", table), IsEmpty());
    EXPECT_THAT(indexes_in_plan("{}", table), IsEmpty());
    EXPECT_THAT(indexes_in_plan(R"([{"Plan": 7}, 8])", table), IsEmpty());
}

}  // namespace
}  // namespace pgeist::verify
