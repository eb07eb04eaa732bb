#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "pgeist/ddl/over_column.hpp"
#include "pgeist/plan/as_options.hpp"
#include "pgeist/references/closure.hpp"

namespace pgeist::references {
namespace {

/// Tables are numbers, called t1, t2, …; columns too.
column at(std::int64_t table, int number, const std::string& type = "integer") {
    column made;
    made.table_oid = table;
    made.number = number;
    made.table = {"public", "t" + std::to_string(table)};
    made.name = "c" + std::to_string(number);
    made.type = type;
    return made;
}

reference to(column from, column key) { return {"fk", std::move(from), std::move(key)}; }

type_change change_of(std::int64_t table, int number, std::optional<std::string> conversion = std::nullopt) {
    type_change made;
    made.table_oid = table;
    made.number = number;
    made.column = "c" + std::to_string(number);
    made.type = "int8";
    made.found_type = "bigint";
    made.conversion = std::move(conversion);
    return made;
}

std::vector<std::string> reached(const closure& what) {
    std::vector<std::string> all;
    for (const follower& each : what.followers) {
        all.push_back(each.what.display());
    }
    std::sort(all.begin(), all.end());
    return all;
}

using names = std::vector<std::string>;

TEST(references_closure, goes_through_columns_that_are_referred_to_themselves) {
    const std::vector<reference> all{to(at(2, 1), at(1, 1)), to(at(3, 5), at(2, 1)), to(at(4, 2), at(3, 9))};
    const closure found = follow({change_of(1, 1)}, all);
    EXPECT_EQ(reached(found), (names{"public.t2 (c1)", "public.t3 (c5)"})) << "t4 refers to another column of t3";
    EXPECT_EQ(found.followers[0].clause, "ALTER COLUMN c1 TYPE int8");
    EXPECT_EQ(found.followers[1].because, "foreign key fk (c5) refers to public.t2 (c1)");
    EXPECT_TRUE(found.obstacles.empty());
}

TEST(references_closure, a_column_of_the_type_with_another_collation_follows) {
    type_change change = change_of(1, 1);
    change.type = "text COLLATE \"C\"";
    change.found_type = "text";
    change.collation = 950;
    column as_it_was = at(2, 1, "text");
    as_it_was.collation = 100;
    column so_already = at(3, 1, "text");
    so_already.collation = 950;
    const closure found = follow({change}, {to(as_it_was, at(1, 1, "text")), to(so_already, at(1, 1, "text"))});
    EXPECT_EQ(reached(found), (names{"public.t2 (c1)"}));
}

TEST(references_closure, cycles_and_tables_that_refer_to_themselves_end) {
    const std::vector<reference> all{to(at(1, 2), at(1, 1)), to(at(2, 1), at(1, 1)), to(at(1, 1), at(2, 1))};
    EXPECT_EQ(reached(follow({change_of(1, 1)}, all)), (names{"public.t1 (c2)", "public.t2 (c1)"}));
}

TEST(references_closure, each_column_of_a_composite_key_leads_to_its_own) {
    const std::vector<reference> all{to(at(2, 7), at(1, 1)), to(at(2, 8), at(1, 2))};
    EXPECT_EQ(reached(follow({change_of(1, 2)}, all)), names{"public.t2 (c8)"});
    EXPECT_EQ(reached(follow({change_of(1, 1), change_of(1, 2)}, all)), (names{"public.t2 (c7)", "public.t2 (c8)"}));
}

TEST(references_closure, a_type_that_is_right_is_no_change_but_is_walked_through) {
    const std::vector<reference> all{to(at(2, 1, "bigint"), at(1, 1)), to(at(3, 1), at(2, 1, "bigint"))};
    EXPECT_EQ(reached(follow({change_of(1, 1)}, all)), names{"public.t3 (c1)"});
}

TEST(references_closure, what_the_user_changes_is_left_to_him) {
    const std::vector<reference> all{to(at(2, 1), at(1, 1))};
    const closure found = follow({change_of(1, 1), change_of(2, 1)}, all);
    EXPECT_TRUE(found.followers.empty());
    type_change other = change_of(2, 1);
    other.found_type = "numeric";
    EXPECT_EQ(follow({change_of(1, 1), other}, all).obstacles.size(), 1U);
}

TEST(references_closure, the_conversion_follows_with_the_name_of_the_column) {
    const std::vector<reference> all{to(at(2, 3), at(1, 1))};
    const closure found = follow({change_of(1, 1, "(c1::text || c1)::int8")}, all);
    EXPECT_EQ(found.followers.at(0).clause, "ALTER COLUMN c3 TYPE int8 USING (c3::text || c3)::int8");
    const closure none = follow({change_of(1, 1, "c1 + c2")}, all);
    ASSERT_EQ(none.obstacles.size(), 1U);
    EXPECT_NE(none.obstacles[0].message.find("USING c1 + c2 is no expression over c1 alone"), std::string::npos);
}

TEST(references_closure, what_cannot_be_changed_is_named) {
    column partitioned = at(2, 1);
    partitioned.kind = 'p';
    column inherited = at(3, 1);
    inherited.inherited = true;
    const closure found = follow({change_of(1, 1)}, {to(partitioned, at(1, 1)), to(inherited, at(1, 1))});
    ASSERT_EQ(found.obstacles.size(), 2U);
    EXPECT_NE(found.obstacles[0].message.find("public.t2 is partitioned"), std::string::npos);
    EXPECT_NE(found.obstacles[1].message.find("public.t3 has its column c1 from a parent"), std::string::npos);
}

TEST(references_ties, are_followed_through_the_members_alone) {
    using groups = std::vector<std::vector<std::size_t>>;
    EXPECT_EQ(tied({10, 20, 30, 40}, {{10, 30, "", ""}, {40, 30, "", ""}}), (groups{{0, 2, 3}, {1}}));
    EXPECT_EQ(tied({10, 20}, {{10, 99, "", ""}, {99, 20, "", ""}}), (groups{{0}, {1}})) << "99 is not changed";
    EXPECT_EQ(tied({10, 20, 30}, {{30, 20, "", ""}, {20, 10, "", ""}, {10, 30, "", ""}}), (groups{{0, 1, 2}}));
}

TEST(references_names, lose_their_plural) {
    EXPECT_EQ(singular("users"), "user");
    EXPECT_EQ(singular("categories"), "category");
    EXPECT_EQ(singular("boxes"), "box");
    EXPECT_EQ(singular("addresses"), "address");
    EXPECT_EQ(singular("glass"), "glass");
    EXPECT_EQ(singular("staff"), "staff");
}

TEST(over_column, puts_another_name_in_the_place_of_the_column) {
    const auto moved = [](const std::string& text) {
        const auto made = ddl::over_column(text, "id", "Owner");
        return made ? made->text : "none";
    };
    EXPECT_EQ(moved("id::uuid"), "\"Owner\"::uuid");
    EXPECT_EQ(moved("ID::uuid -- id\n"), "\"Owner\"::uuid -- id\n");
    EXPECT_EQ(moved("lower(\"id\") || 'id' || id"), "lower(\"Owner\") || 'id' || \"Owner\"");
    EXPECT_EQ(moved("CASE WHEN id > 0 THEN id END"), "CASE WHEN \"Owner\" > 0 THEN \"Owner\" END");
    EXPECT_EQ(moved("id(id)"), "id(\"Owner\")") << "a function of that name stays";
    EXPECT_EQ(moved("users.id::uuid"), "none") << "the name of a table";
    EXPECT_EQ(moved("id + n"), "none");
    EXPECT_EQ(moved("gen_random_uuid()"), "none");
    EXPECT_EQ(moved("(SELECT new FROM map WHERE old = id)"), "none");
    EXPECT_EQ(moved("id::"), "none");
    EXPECT_EQ(moved("f(users.*)"), "none");
    const auto called = ddl::over_column("uuid_of(id)", "id", "user_id");
    ASSERT_TRUE(called);
    EXPECT_EQ(called->functions, names{"uuid_of"});
}

TEST(as_options, can_be_pasted_into_a_shell) {
    plan::change_request change;
    change.table = {"public", "users"};
    change.alters = {"ALTER COLUMN id TYPE bigint", "ALTER COLUMN \"N\" SET DEFAULT '$'"};
    change.sets = {"n = 1"};
    change.key_index = "users_id_key";
    EXPECT_EQ(plan::as_options(change),
              R"(--table public.users --alter "ALTER COLUMN id TYPE bigint" )"
              R"(--alter 'ALTER COLUMN "N" SET DEFAULT '\''$'\''' --set "n = 1" --key "users_id_key")");
}

}  // namespace
}  // namespace pgeist::references
