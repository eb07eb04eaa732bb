// The swap as a list of steps.

#include <gtest/gtest.h>

#include "pgeist/plan/swap_plan.hpp"

namespace pgeist::plan {
namespace {

std::vector<std::string> sql_of(const std::vector<pg::statement>& statements) {
    std::vector<std::string> all;
    for (const auto& each : statements) {
        all.push_back(each.sql);
    }
    return all;
}

swap_plan of_one(const std::string& table, const std::string& other) {
    swap_plan plan;
    plan.add(stage::finish, {"validate", "finish " + table});
    plan.add(stage::attach, {"key", "attach " + table});
    plan.add(stage::detach, {"key", "detach " + table}).locks.push_back({lock_way::table, {"app", other}, ""});
    return plan;
}

TEST(swap_plan, keeps_the_order_within_a_stage) {
    swap_plan plan;
    plan.add(stage::attach, {"", "two"});
    plan.add(stage::detach, {"", "one"});
    plan.add_all(stage::attach, {{"", "three"}, {"", "four"}});
    plan.add_first(stage::attach, {"", "first"});
    EXPECT_EQ(sql_of(plan.statements(stage::attach)), (std::vector<std::string>{"first", "two", "three", "four"}));
    EXPECT_EQ(sql_of(plan.statements(stage::detach)), std::vector<std::string>{"one"});
}

TEST(swap_plan, takes_back_from_the_last_to_the_first_what_can_be_taken_back) {
    swap_plan plan;
    for (const char* name : {"a", "b", "c"}) {
        swap_step step;
        step.when = stage::before;
        step.sql = std::string("do ") + name;
        step.undo = name == std::string("b") ? "" : std::string("undo ") + name;
        plan.add(step);
    }
    EXPECT_EQ(sql_of(plan.undo()), (std::vector<std::string>{"undo c", "undo a"}));
}

TEST(swap_plan, a_step_of_locks_alone_does_nothing) {
    swap_plan plan;
    swap_step locks;
    locks.when = stage::detach;
    locks.locks.push_back({lock_way::table, {"app", "t"}, ""});
    plan.add(locks);
    EXPECT_TRUE(plan.statements(stage::detach).empty());
    EXPECT_EQ(plan.locked_tables().size(), 1U);
}

TEST(swap_plan, locks_each_table_once_in_the_order_of_names) {
    swap_plan plan;
    swap_step& late = plan.add(stage::attach, {"", "x"});
    late.locks = {{lock_way::table, {"b", "a"}, ""}, {lock_way::table, {"a", "z"}, ""}};
    plan.add(stage::detach, {"", "y"}).locks = {{lock_way::table, {"a", "z"}, ""}, {lock_way::table, {"a", "b"}, ""}};
    EXPECT_EQ(plan.locked_tables(), (std::vector<qualified_name>{{"a", "b"}, {"a", "z"}, {"b", "a"}}));
    EXPECT_TRUE(plan.locked_parents().empty());
}

TEST(swap_plan, parents_are_locked_in_the_order_in_which_queries_come_to_them) {
    swap_plan plan;
    plan.add(stage::detach, {"", "leave"}).locks = {{lock_way::parent, {"a", "root"}, ""},
                                                    {lock_way::parent, {"a", "middle"}, ""}};
    plan.add(stage::detach, {"", "leave again"}).locks = {{lock_way::parent, {"a", "root"}, ""}};
    EXPECT_EQ(plan.locked_parents(), (std::vector<qualified_name>{{"a", "root"}, {"a", "middle"}}));
}

TEST(swap_plan, what_is_locked_by_reference_comes_after_all_others) {
    swap_plan plan;
    plan.add(stage::detach, {"", "key"}).locks = {{lock_way::by_reference, {"a", "far"}, "CREATE TABLE x (…)"},
                                                  {lock_way::statement, {"a", "v"}, "ALTER VIEW a.v SET SCHEMA a"},
                                                  {lock_way::parent, {"a", "p"}, ""},
                                                  {lock_way::table, {"a", "b"}, ""}};
    EXPECT_EQ(sql_of(plan.lock_statements({"a", "t"})),
              (std::vector<std::string>{
                  "ALTER VIEW a.v SET SCHEMA a",
                  R"(LOCK TABLE ONLY "a"."p", "a"."t", "a"."b" IN ACCESS EXCLUSIVE MODE; CREATE TABLE x (…))"}));
}

TEST(swap_plan, of_several_is_one_stage_by_stage) {
    const swap_plan whole = merged({of_one("a", "c"), of_one("b", "c")});
    std::vector<std::string> all;
    for (const swap_step& each : whole.steps()) {
        all.push_back(each.sql);
    }
    EXPECT_EQ(all, (std::vector<std::string>{"detach a", "detach b", "attach a", "attach b", "finish a", "finish b"}));
    EXPECT_EQ(whole.locked_tables(), (std::vector<qualified_name>{{"app", "c"}}));
}

/// Where a table of each kind is after the moves, by their SQL alone.
std::string place_after(std::string schema, const std::vector<swap_step>& moves) {
    for (const swap_step& each : moves) {
        const std::string from = "ALTER TABLE " + quote_identifier(schema) + ".";
        if (each.sql.compare(0, from.size(), from) == 0) {
            const std::size_t name = each.sql.rfind(' ') + 2;  // within its quotes
            schema = each.sql.substr(name, each.sql.size() - name - 1);
        }
    }
    return schema;
}

TEST(exchange_steps, lead_there_and_by_the_same_value_back) {
    const exchange_places places{{"app", "orders"}, "pgeist_7", "pgeist_7_old"};
    const std::vector<swap_step> moves = exchange_steps(places);
    EXPECT_EQ(place_after("app", moves), "pgeist_7");
    EXPECT_EQ(place_after("pgeist_7", moves), "app");
    std::vector<swap_step> twice = moves;
    twice.insert(twice.end(), moves.begin(), moves.end());
    EXPECT_EQ(place_after("app", twice), "app");
    EXPECT_EQ(place_after("pgeist_7", twice), "pgeist_7");
    for (const swap_step& each : moves) {
        EXPECT_EQ(each.when, stage::exchange);
        EXPECT_FALSE(each.label.empty());
    }
}

}  // namespace
}  // namespace pgeist::plan
