#include <gtest/gtest.h>

#include "pgeist/core/error.hpp"
#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/change_request.hpp"

namespace pgeist::plan {
namespace {

change_request sample() {
    change_request change;
    change.table = qualified_name{"app", "Orders"};
    change.alters = {"ALTER id  TYPE bigint,\n  DROP x;", "RENAME a TO b"};
    change.sets = {"c = 'two  blanks'"};
    change.key_index = "orders_pkey";
    change.order_by = "a DESC";
    return change;
}

TEST(plan_change_request, survives_json) {
    const change_request change = sample();
    const change_request back = change_request_from_json(to_json(change));
    EXPECT_EQ(back.table, change.table);
    EXPECT_EQ(back.alters, change.alters);
    EXPECT_EQ(back.sets, change.sets);
    EXPECT_EQ(back.repack, change.repack);
    EXPECT_EQ(back.key_index, change.key_index);
    EXPECT_EQ(back.order_by, change.order_by);
}

TEST(plan_change_request, reads_the_same_whatever_its_layout) {
    EXPECT_EQ(sample().describe(),
              "app.\"Orders\": ALTER id TYPE bigint, DROP x; RENAME a TO b; SET c = 'two  blanks'");
    change_request repack;
    repack.table = qualified_name{"", "t"};
    repack.repack = true;
    EXPECT_EQ(repack.describe(), "t: REPACK");
    repack.order_by = "a  DESC";
    EXPECT_EQ(repack.describe(), "t: REPACK ORDER BY a DESC");
}

TEST(plan_change_request, says_when_it_cannot_be_read) {
    EXPECT_THROW((void)change_request_from_json("{}"), error);
    EXPECT_THROW((void)change_request_from_json("nonsense"), error);
}

}  // namespace
}  // namespace pgeist::plan
