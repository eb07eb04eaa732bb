#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "../../src/fill/clock.hpp"
#include "../../src/fill/dead_rows.hpp"
#include "../../src/fill/statements.hpp"
#include "../../src/fill/subquery.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/fill/statement.hpp"

namespace pgeist::fill {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

bloat table_of(std::int64_t live, std::int64_t dead) {
    bloat known;
    known.live = live;
    known.dead = dead;
    return known;
}

TEST(dead_rows_of_a_fill, leave_room_for_a_share_of_all_rows) {
    EXPECT_EQ(room_for(table_of(8000, 0), 0, 0, 20), 2000);  // 2,000 of 10,000
    EXPECT_EQ(room_for(table_of(8000, 500), 0, 0, 20), 1500);
    EXPECT_EQ(room_for(table_of(8000, 0), 100, 1900, 20), 0) << "what we have written counts, told or not";
    EXPECT_LT(room_for(table_of(8000, 3000), 0, 0, 20), 0);
    EXPECT_EQ(room_for(table_of(0, 0), 0, 0, 20), 1000) << "so few are no bloat";
}

TEST(time_in_a_fill, is_fixed) {
    const std::string moment = "2026-01-02 03:04:05+00";
    const std::string fixed = "CAST('" + moment + "' AS timestamp with time zone)";
    EXPECT_EQ(with_time_fixed("(at > now())", moment), "(at > " + fixed + ")");
    EXPECT_EQ(with_time_fixed("CURRENT_DATE", moment), "CAST(" + fixed + " AS date)");
    EXPECT_EQ(with_time_fixed("('now()'::text || \"now\")", moment), "('now()'::text || \"now\")");
    EXPECT_EQ(with_time_fixed("app.now()", moment), "app.now()");
    EXPECT_EQ(with_time_fixed("to_char(now(), 'x')", moment), "to_char(" + fixed + ", 'x')");
}

TEST(statement_as_a_fill, is_read) {
    const auto update =
        request_of("UPDATE ONLY Shop.\"T\" SET a = b + 1, \"C\" = f(a, b), d = ARRAY[1, 2] WHERE a IS NULL");
    ASSERT_TRUE(update);
    EXPECT_EQ(update->table, (qualified_name{"shop", "T"}));
    EXPECT_THAT(update->sets, ElementsAre("\"a\" = b + 1", "\"C\" = f(a, b)", "\"d\" = ARRAY[1, 2]"));
    EXPECT_EQ(update->where, "a IS NULL");
    EXPECT_FALSE(update->remove);
    const auto all = request_of("update t set a = (select x from u where u.id = t.id limit 1)");
    ASSERT_TRUE(all);
    EXPECT_FALSE(all->where);
    EXPECT_THAT(all->sets, ElementsAre("\"a\" = (select x from u where u.id = t.id limit 1)"));
    const auto removal = request_of("DELETE FROM t WHERE at < now() -- old ones");
    ASSERT_TRUE(removal);
    EXPECT_TRUE(removal->remove);
    EXPECT_EQ(removal->where, "at < now()");
}

TEST(statement_as_a_fill, is_none) {
    for (const char* each :
         {"UPDATE t SET a = u.b FROM u WHERE u.id = t.id", "UPDATE t AS x SET a = 1", "UPDATE t x SET a = 1",
          "UPDATE t SET (a, b) = (1, 2)", "UPDATE t SET a = 1 RETURNING a", "DELETE FROM t",
          "DELETE FROM t USING u WHERE t.id = u.id", "DELETE FROM t WHERE CURRENT OF c",
          "UPDATE t SET a = 1 WHERE b RETURNING c", "INSERT INTO t VALUES (1)", "UPDATE t SET a ="}) {
        EXPECT_FALSE(request_of(each)) << each;
    }
}

TEST(subqueries, are_seen) {
    EXPECT_TRUE(has_subquery("(SELECT 1)"));
    EXPECT_FALSE(has_subquery("'select' || \"select\""));
}

TEST(statements_of_a_fill, lock_as_little_as_they_can) {
    spec what;
    what.table = {"public", "t"};
    walk::key_column id;
    id.read_name = "id";
    id.type = "integer";
    id.less = id.less_equal = id.equal = id.greater_equal = id.greater = "OPERATOR(pg_catalog.=)";
    what.key.columns.push_back(id);
    what.sets.push_back({"c", "text", "upper(d)", "upper(d)"});
    const walk::key_range all;
    const std::string set = statements(what).write(all, locked_rows::skip).sql;
    EXPECT_THAT(set, HasSubstr("FOR NO KEY UPDATE OF s SKIP LOCKED"));
    EXPECT_THAT(set, HasSubstr("UPDATE ONLY \"public\".\"t\" AS w SET \"c\" = upper(d)"));
    what.sets[0].guard = "(g)";
    EXPECT_THAT(statements(what).is_wanted(), HasSubstr("((g)) AND (\"c\" COLLATE"));
    EXPECT_THAT(statements(what).write(all, locked_rows::skip).sql, HasSubstr("SET \"c\" = upper(d) FROM"));
    what.sets.push_back({"e", "character varying(3)", "d", "d"});
    EXPECT_THAT(statements(what).write(all, locked_rows::skip).sql,
                HasSubstr("SET \"c\" = CASE WHEN (g) THEN CAST((upper(d)) AS text) ELSE \"c\" END, \"e\" = d FROM"));
    what.keys_change = true;
    EXPECT_THAT(statements(what).write(all, locked_rows::fail).sql, HasSubstr("FOR UPDATE OF s NOWAIT"));
    what.partitioned = true;
    what.sets.clear();
    what.condition = "(d IS NULL)";
    const std::string removal = statements(what).write(all, locked_rows::skip).sql;
    EXPECT_THAT(removal, HasSubstr("DELETE FROM \"public\".\"t\" AS w USING picked"));
    EXPECT_THAT(removal, Not(HasSubstr("ONLY")));
}

TEST(fill_requests, are_told_as_statements) {
    request asked;
    asked.table = {"", "t"};
    asked.sets = {"a = 1", "b =\n  2"};
    asked.where = "c";
    EXPECT_EQ(asked.statement(), "UPDATE t SET a = 1, b = 2 WHERE c");
    EXPECT_EQ(request_from_json(to_json(asked)).statement(), asked.statement());
}

}  // namespace
}  // namespace pgeist::fill
