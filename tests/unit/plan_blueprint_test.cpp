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
    plan.swap_locks.push_back(qualified_name{"app", "items"});
    plan.expected = {"column a: \"quoted\"", "owner: o"};
    plan.ahead.push_back({"materialized view m", "CREATE MATERIALIZED VIEW m AS SELECT 1"});
    plan.swap_views.push_back({"v", "ALTER VIEW v OWNER TO o"});
    plan.swap_parents.push_back(qualified_name{"app", "all_orders"});
    plan.before_swap.push_back({"bounds", "ALTER TABLE x ADD CHECK (true) NOT VALID"});
    plan.instead_of_swap.push_back({"bounds", "ALTER TABLE x DROP CONSTRAINT x_check"});
    plan.before_move.push_back({"drop foreign key f", "ALTER TABLE y DROP CONSTRAINT f"});
    plan.after_move.push_back({"foreign key f", "ALTER TABLE y ADD CONSTRAINT f …"});
    plan.finish.push_back({"validate f", "ALTER TABLE y VALIDATE CONSTRAINT f"});
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
