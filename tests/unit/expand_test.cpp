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
    EXPECT_THAT(sql, HasSubstr("pg_catalog.nextval(42::pg_catalog.oid::pg_catalog.regclass)"));
    EXPECT_THAT(sql, HasSubstr("SET search_path = pg_catalog"));
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

TEST(columns_in_step, find_nothing_by_the_search_path_where_their_expressions_are_bound) {
    spec plan = cents_and_euros();
    EXPECT_EQ(expressions_sql(plan), "");
    plan.bound = true;
    const std::string sql = function_sql(plan, 1);
    EXPECT_THAT(sql, Not(HasSubstr("search_path")));
    EXPECT_THAT(sql, Not(HasSubstr("DISTINCT FROM NEW")));
    EXPECT_THAT(sql, Not(HasSubstr("pgeist:")));
    EXPECT_THAT(sql, HasSubstr("IF \"pgeist_7\".\"old_changed_1\"(NEW.\"cents\", OLD.\"cents\") THEN"));
    EXPECT_THAT(sql, HasSubstr("NEW.\"euros\" := \"pgeist_7\".\"up1_1\"(NEW.\"cents\");"));
    const std::string functions = expressions_sql(plan);
    EXPECT_THAT(functions,
                HasSubstr("CREATE FUNCTION \"pgeist_7\".\"up1_1\"(integer) RETURNS numeric LANGUAGE sql STABLE RETURN "
                          "CAST(($1 / 100.0) AS numeric);"));
    EXPECT_THAT(functions, HasSubstr("RETURN ($2 IS DISTINCT FROM $1);"));
    EXPECT_THAT(functions, HasSubstr("GRANT EXECUTE ON FUNCTION \"pgeist_7\".\"up1_1\"(integer) TO PUBLIC"));
    plan.trial = true;
    EXPECT_THAT(function_sql(plan, 1), HasSubstr("\"pgeist_7\".\"up1_1\"(NEW.\"pgeist_7_cents\")"));
    EXPECT_EQ(expressions_sql(plan), functions) << "they know no names";
}

TEST(columns_in_step, fill_what_is_not_filled_only_as_long_as_there_is_any) {
    spec plan = cents_and_euros();
    const std::string filling = function_sql(plan, 1);
    EXPECT_THAT(filling, HasSubstr("OLD.\"euros\" IS NOT DISTINCT FROM NULL"));
    EXPECT_THAT(filling, HasSubstr("OLD.\"euros\" := OLD.\"cents\" / 100.0;"));
    plan.filled = true;
    EXPECT_THAT(function_sql(plan, 1), Not(HasSubstr("EXCEPTION WHEN OTHERS")));
}

TEST(columns_in_step, stay_empty_until_their_deferrable_constraints_are_made) {
    spec plan = cents_and_euros();
    const std::string before = to_json(plan);
    plan.idle = true;
    const std::string sql = function_sql(plan, 1);
    EXPECT_THAT(sql, HasSubstr("NEW.\"euros\" := NULL;"));
    EXPECT_THAT(sql, Not(HasSubstr("/ 100.0")));
    EXPECT_TRUE(spec_from_json(to_json(plan)).idle);
    std::string earlier = before;  // as a version wrote it that knew nothing of it
    earlier.erase(earlier.find(",\"idle\":false"), std::string(",\"idle\":false").size());
    EXPECT_EQ(to_json(spec_from_json(earlier)), before);
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
    EXPECT_THAT(function_sql(plan, 1), HasSubstr("old_given := true;"));
}

}  // namespace
}  // namespace pgeist::expand
