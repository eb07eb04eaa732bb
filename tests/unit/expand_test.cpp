#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../src/tasks/expand/planning.hpp"
#include "../../src/tasks/expand/sync_sql.hpp"

namespace pgeist::expand {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::UnorderedElementsAre;

spec cents_and_euros() {
    spec plan;
    plan.table = {"public", "t"};
    plan.job_schema = "pgeist_7";
    plan.trigger = "~pgeist_7_sync";
    plan.replaced = {"cents"};
    group one;
    one.olds.push_back({"cents", "integer", "0", false});
    one.news.push_back({"euros", "numeric", "NULL", false});
    one.ups.push_back({"euros", placeholder("cents") + " / 100.0", ""});
    one.downs.push_back({"cents", placeholder("euros") + " * 100", ""});
    plan.groups.push_back(one);
    return plan;
}

TEST(columns_in_step, are_tied_by_what_reads_them) {
    EXPECT_THAT(tied_columns({{"a", {"x"}}, {"b", {"y"}}, {"y", {"b"}}}),
                UnorderedElementsAre(ElementsAre("a", "x"), ElementsAre("b", "y")));
    EXPECT_THAT(tied_columns({{"first", {"name"}}, {"last", {"name"}}, {"name", {"first", "last"}}}),
                ElementsAre(ElementsAre("first", "last", "name")));
    EXPECT_THAT(tied_columns({{"a", {"x"}}, {"b", {"y"}}, {"c", {"x", "y"}}}),
                ElementsAre(ElementsAre("a", "b", "c", "x", "y")));
}

TEST(columns_in_step, are_judged_by_values_without_dynamic_sql) {
    const std::string sql = function_sql(cents_and_euros(), 42);
    EXPECT_THAT(sql, HasSubstr("OLD.\"cents\" IS DISTINCT FROM NEW.\"cents\""));
    EXPECT_THAT(sql, HasSubstr("NEW.\"euros\" := NEW.\"cents\" / 100.0;"));
    EXPECT_THAT(sql, HasSubstr("nextval(42::oid::regclass)"));
    EXPECT_THAT(sql, Not(HasSubstr("EXECUTE")));
    EXPECT_THAT(sql, Not(HasSubstr("SECURITY DEFINER")));
    EXPECT_THAT(sql, Not(HasSubstr("@")));
    EXPECT_THAT(sql, Not(HasSubstr("pgeist:")));
}

TEST(columns_in_step, keep_their_policy) {
    spec plan = cents_and_euros();
    plan.conflict = policy::error;
    EXPECT_THAT(function_sql(plan, 1), HasSubstr("RAISE EXCEPTION"));
    EXPECT_EQ(spec_from_json(to_json(plan)).conflict, policy::error);
}

TEST(columns_in_step, fill_what_is_not_filled_only_as_long_as_there_is_any) {
    spec plan = cents_and_euros();
    const std::string filling = function_sql(plan, 1);
    EXPECT_THAT(filling, HasSubstr("OLD.\"euros\" IS NOT DISTINCT FROM NULL"));
    EXPECT_THAT(filling, HasSubstr("OLD.\"euros\" := OLD.\"cents\" / 100.0;"));
    plan.filled = true;
    EXPECT_THAT(function_sql(plan, 1), Not(HasSubstr("EXCEPTION WHEN OTHERS")));
}

TEST(columns_in_step, are_filled_where_down_does_not_say_that_they_agree) {
    spec plan = cents_and_euros();
    const std::string unfilled = guarded_sets(plan, true).at(0).guard;
    EXPECT_THAT(unfilled, HasSubstr("\"euros\" IS NOT DISTINCT FROM NULL"));
    EXPECT_THAT(unfilled, HasSubstr("\"cents\" IS DISTINCT FROM CAST("));
    EXPECT_THAT(guarded_sets(plan, false).at(0).guard, Not(HasSubstr("IS NOT DISTINCT")));
    plan.groups[0].downs.clear();
    EXPECT_TRUE(guarded_sets(plan, false).empty()) << "no old column goes";
    EXPECT_THAT(guarded_sets(plan, true).at(0).guard, HasSubstr("\"euros\" IS NOT DISTINCT FROM NULL"));
}

TEST(columns_in_step, have_other_names_while_out_of_sight) {
    spec plan = cents_and_euros();
    plan.trial = true;
    const std::string sql = function_sql(plan, 1);
    EXPECT_THAT(sql, HasSubstr("NEW.\"pgeist_7_cents\""));
    EXPECT_THAT(sql, Not(HasSubstr("NEW.\"cents\"")));
    EXPECT_THAT(sql, HasSubstr("NEW.\"euros\""));
}

TEST(columns_in_step, fire_always) {
    EXPECT_THAT(trigger_sql(cents_and_euros()), HasSubstr("ENABLE ALWAYS TRIGGER \"~pgeist_7_sync\""));
}

TEST(columns_in_step, differ_always_where_the_default_does) {
    spec plan = cents_and_euros();
    plan.groups[0].olds[0].default_differs = true;
    EXPECT_THAT(function_sql(plan, 1), HasSubstr("old_given := (true);"));
}

}  // namespace
}  // namespace pgeist::expand
