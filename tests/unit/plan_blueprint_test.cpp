#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pgeist/core/error.hpp"
#include "pgeist/plan/describe.hpp"

namespace pgeist::plan {
namespace {

using ::testing::HasSubstr;

blueprint sample() {
    blueprint plan;
    plan.table = qualified_name{"app", "Orders"};
    plan.source_oid = 4'000'000'000;
    plan.job_schema = "pgeist_7";
    plan.passage_schema = "pgeist_7_old";
    plan.fingerprint = "abc";
    plan.key.index = "orders_pkey";
    key_column key;
    key.read_name = "id";
    key.write_name = "number";
    key.type = "integer";
    key.less = "OPERATOR(pg_catalog.<)";
    key.descending = true;
    plan.key.columns.push_back(key);
    column moved;
    moved.name = "number";
    moved.type = "bigint";
    moved.read_name = "id";
    moved.expression = "\"id\"";
    moved.conversion = "integer → bigint";
    column added;
    added.name = "made";
    added.type = "uuid";
    added.compared = false;
    added.conversion = "its default, evaluated for each row";
    plan.columns = {moved, added};
    plan.key_index.name = "orders_pkey";
    plan.key_index.create_sql = "CREATE UNIQUE INDEX orders_pkey ON x (id)";
    plan.key_index.after.push_back({"constraint orders_pkey", "ALTER TABLE x ADD PRIMARY KEY USING INDEX orders_pkey"});
    index partial;
    partial.name = "orders_open";
    partial.create_sql = "CREATE INDEX orders_open ON x (id) WHERE state IS DISTINCT FROM 'done'";
    partial.meaning.uses = {"o98", "c950"};
    partial.meaning.search_path = "pg_catalog, ext";
    partial.meaning.condition = "(state IS DISTINCT FROM 'done')";
    partial.meaning.draft_sql = "CREATE INDEX CONCURRENTLY orders_open ON x (id)";
    plan.indexes.push_back(partial);
    plan.expected = {"column a: \"quoted\"", "owner: o"};
    plan.swap.add(stage::ahead, {"materialized view m", "CREATE MATERIALIZED VIEW m AS SELECT 1"});
    swap_step bounds;
    bounds.when = stage::before;
    bounds.label = "bounds";
    bounds.sql = "ALTER TABLE x ADD CHECK (true) NOT VALID";
    bounds.undo = "ALTER TABLE x DROP CONSTRAINT x_check";
    plan.swap.add(bounds);
    swap_step& drop = plan.swap.add(stage::detach, {"drop foreign key f", "ALTER TABLE y DROP CONSTRAINT f"});
    drop.locks.push_back({lock_way::table, {"app", "items"}, ""});
    drop.locks.push_back({lock_way::statement, {"app", "v"}, "ALTER VIEW v SET SCHEMA app"});
    drop.locks.push_back({lock_way::parent, {"app", "all_orders"}, ""});
    plan.swap.add(stage::attach, {"foreign key f", "ALTER TABLE y ADD CONSTRAINT f …"});
    plan.swap.add(stage::finish, {"validate f", "ALTER TABLE y VALIDATE CONSTRAINT f"});
    plan.estimated_rows = 5'000'000;
    plan.table_bytes = 1'000'000'000;
    plan.index_bytes = 400'000'000;
    return plan;
}

TEST(plan_blueprint, survives_json) {
    const std::string text = to_json(sample());
    const blueprint back = blueprint_from_json(text);
    EXPECT_EQ(to_json(back), text);
    EXPECT_EQ(back.source_oid, 4'000'000'000);
    EXPECT_TRUE(back.key.columns.at(0).descending);
    EXPECT_FALSE(back.columns.at(1).expression);
    EXPECT_FALSE(back.columns.at(1).compared);
    EXPECT_EQ(back.shadow(), (qualified_name{"pgeist_7", "Orders"}));
}

// As the version before wrote it: eight lists instead of one.
TEST(plan_blueprint, of_the_version_before_is_read) {
    const std::string now = to_json(sample());
    std::string before = now;
    before.replace(before.find("\"version\":3"), 11, "\"version\":2");
    const std::size_t begin = before.find(",\"swap\":[");
    const std::size_t end = before.find(",\"profile\"", begin) != std::string::npos ? before.find(",\"profile\"", begin)
                                                                                    : before.size() - 1;
    before.replace(
        begin, end - begin,
        R"(,"swap_parents":[{"schema":"app","name":"all_orders"}],"swap_locks":[{"schema":"app","name":"items"}],)"
        R"("swap_views":[{"label":"app.v","sql":"ALTER VIEW v SET SCHEMA app"}],"ahead":[{"label":"m","sql":"CREATE m"}],)"
        R"("before_swap":[{"label":"b","sql":"ADD"}],"instead_of_swap":[{"label":"b","sql":"DROP"}],)"
        R"("before_move":[{"label":"f","sql":"detach"}],"after_move":[{"label":"f","sql":"attach"}],)"
        R"("finish":[{"label":"v","sql":"validate"}])");
    const blueprint back = blueprint_from_json(before);
    EXPECT_EQ(back.version, blueprint::current_version);
    EXPECT_EQ(back.swap.locked_parents(), (std::vector<qualified_name>{{"app", "all_orders"}}));
    EXPECT_EQ(back.swap.locked_tables(), (std::vector<qualified_name>{{"app", "items"}}));
    EXPECT_EQ(back.swap.lock_statements({"app", "t"}).at(0).sql, "ALTER VIEW v SET SCHEMA app");
    const auto only = [&](stage when) { return back.swap.statements(when).at(0).sql; };
    EXPECT_EQ(only(stage::ahead), "CREATE m");
    EXPECT_EQ(only(stage::before), "ADD");
    EXPECT_EQ(back.swap.undo().at(0).sql, "DROP");
    EXPECT_EQ(only(stage::detach), "detach");
    EXPECT_EQ(only(stage::attach), "attach");
    EXPECT_EQ(only(stage::finish), "validate");
}

TEST(plan_blueprint, of_another_version_is_refused) {
    blueprint newer = sample();
    newer.version = blueprint::current_version + 1;
    try {
        (void)blueprint_from_json(to_json(newer));
        FAIL() << "read";
    } catch (const error& refused) {
        EXPECT_THAT(refused.what(), HasSubstr("version"));
    }
    EXPECT_THROW((void)blueprint_from_json("[]"), error);
}

description described(const blueprint& plan, const change_request& change) {
    description what;
    what.change = &change;
    what.blueprint = &plan;
    what.phases = {{"swap", "exchange the tables", "ACCESS EXCLUSIVE, milliseconds"}};
    remark warning;
    warning.text = "a long transaction";
    warning.hint = "wait for it";
    remark refusal;
    refusal.refuses = true;
    refusal.text = "a view";
    what.remarks = {warning, refusal};
    return what;
}

TEST(plan_description, names_everything_a_user_asks_for) {
    change_request change;
    change.table = qualified_name{"app", "Orders"};
    change.alters = {"ALTER id TYPE bigint"};
    const blueprint plan = sample();
    const std::string text = describe(described(plan, change));
    for (const char* part : {"app.\"Orders\"", "5,000,000 rows", "orders_pkey (id DESC)", "was id", "integer → bigint",
                             "(not verified)", "ACCESS EXCLUSIVE", "a long transaction", "wait for it", "a view"}) {
        EXPECT_THAT(text, HasSubstr(part));
    }
}

TEST(plan_description, is_one_json_object) {
    change_request change;
    change.table = qualified_name{"app", "Orders"};
    const blueprint plan = sample();
    const std::string text = describe_json(described(plan, change));
    EXPECT_EQ(text.find('\n'), std::string::npos);
    for (const char* part : {R"("event":"plan")", R"("refused":true)", R"("estimated_rows":5000000)",
                             R"("name":"number")", "VALIDATE CONSTRAINT"}) {
        EXPECT_THAT(text, HasSubstr(part));
    }
}

TEST(plan_description, without_a_plan_says_why) {
    description what;
    remark refusal;
    refusal.refuses = true;
    refusal.text = "there is no table x";
    what.remarks.push_back(refusal);
    EXPECT_THAT(describe(what), HasSubstr("there is no table x"));
    EXPECT_THAT(describe_json(what), HasSubstr("there is no table x"));
}

}  // namespace
}  // namespace pgeist::plan
