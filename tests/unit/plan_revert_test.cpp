#include <gtest/gtest.h>

#include "pgeist/core/error.hpp"
#include "pgeist/plan/revert_plan.hpp"

namespace pgeist::plan {
namespace {

revert_plan sample() {
    revert_plan plan;
    plan.leg = 3;
    plan.back.schema = "pgeist_7_back";
    plan.back.mode = transfer::replay_mode::keep;
    plan.back.read = {{"app", "t"}, 17, false};
    column each;
    each.name = "price";
    each.type = "numeric(10,2)";
    each.read_name = "price";
    each.inverse = "CAST(price AS integer)";
    each.read_type = "integer";
    each.proven = true;
    plan.back.columns.push_back(each);
    plan.first = plan.back;
    plan.there.push_back(each);
    plan.waiting.oid = 4'000'000'000;
    plan.waiting.name = {"app", "Tä\"ble"};
    plan.waiting.replica_identity = 'f';
    catalog::column described;
    described.attnum = 3;
    described.name = "price";
    described.default_expression = "1.5";
    described.identity = 'a';
    plan.waiting.columns.push_back(described);
    catalog::index index;
    index.name = "t_pkey";
    index.columns.push_back({3, false, true, "", 1, 2, std::nullopt});
    plan.waiting.indexes.push_back(index);
    plan.in_use.emplace_back("price", "integer");
    plan.comments.emplace_back(commented_key("COLUMN", "price"), "in cents");
    plan.texts.push_back({"view app.v", "SELECT price FROM t", {"ext"}, "SELECT 'now'", "SELECT t.price"});
    plan.same_columns.emplace_back(3, 1);
    return plan;
}

TEST(revert_plan, is_read_as_it_was_stored) {
    const revert_plan stored = sample();
    const std::string text = to_json(stored);
    const revert_plan read = revert_plan_from_json(text);
    EXPECT_EQ(to_json(read), text);
    EXPECT_FALSE(read.old_is_in_use());
    EXPECT_EQ(read.waiting.oid, 4'000'000'000);
    EXPECT_EQ(read.waiting.replica_identity, 'f');
    EXPECT_EQ(read.waiting.columns.front().identity, 'a');
    EXPECT_TRUE(read.waiting.indexes.front().columns.front().descending);
    EXPECT_EQ(read.same_columns, stored.same_columns);
    EXPECT_EQ(read.in_use, stored.in_use);
    EXPECT_EQ(read.comments, stored.comments);
    ASSERT_EQ(read.texts.size(), 1U);
    EXPECT_EQ(read.texts.front().schemas, stored.texts.front().schemas);
    EXPECT_FALSE(read.last_swap.has_value());
}

TEST(revert_plan, carries_what_comes_after_the_next_swap) {
    revert_plan next = sample();
    next.leg = 4;
    next.last_swap.emplace();
    next.last_swap->table = {"app", "t"};
    const std::string text = to_json(sample(), next);
    EXPECT_EQ(revert_plan_from_json(text).leg, 3);
    const auto at = text.find("\"next\":");
    ASSERT_NE(at, std::string::npos);
    const revert_plan read = revert_plan_from_json(text.substr(at + 7, text.size() - at - 8));
    EXPECT_TRUE(read.old_is_in_use());
    ASSERT_TRUE(read.last_swap.has_value());
    EXPECT_EQ(read.last_swap->table.name, "t");
}

TEST(revert_plan, refuses_what_is_none) {
    EXPECT_THROW(static_cast<void>(revert_plan_from_json("{}")), error);
    EXPECT_THROW(static_cast<void>(revert_plan_from_json("no")), error);
}

}  // namespace
}  // namespace pgeist::plan
