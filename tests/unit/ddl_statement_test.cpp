// Statements understood: by the parser, and by their words where they are newer than it.

#include <gtest/gtest.h>

#include <string>

#include "pgeist/ddl/lexer.hpp"
#include "pgeist/ddl/statement.hpp"

namespace pgeist::ddl {
namespace {

TEST(statements, clauses_of_alter_table) {
    const statement made = understand(
        "ALTER TABLE IF EXISTS ONLY s.t ADD COLUMN a numeric(10,2) DEFAULT f(1) NOT NULL, ALTER b TYPE varchar(20) "
        "USING b::text, DROP "
        "CONSTRAINT c CASCADE");
    ASSERT_EQ(made.kind, statement_kind::alter_table);
    EXPECT_EQ(made.relation, (qualified_name{"s", "t"}));
    EXPECT_TRUE(made.only);
    EXPECT_TRUE(made.if_exists);
    ASSERT_EQ(made.clauses.size(), 3U);
    EXPECT_EQ(made.clauses[0].kind, clause_kind::add_column);
    EXPECT_EQ(made.clauses[0].added->type.display(), "numeric(10,2)");
    EXPECT_EQ(made.clauses[0].text, "ADD COLUMN a numeric(10,2) DEFAULT f(1) NOT NULL");
    ASSERT_NE(made.clauses[0].added->find(constraint_kind::default_value), nullptr);
    EXPECT_EQ(made.clauses[0].added->find(constraint_kind::default_value)->value->functions,
              std::vector<std::string>{"f"});
    EXPECT_EQ(made.clauses[1].added->type.display(), "varchar(20)");
    EXPECT_TRUE(made.clauses[1].value.has_value());
    EXPECT_TRUE(made.clauses[2].cascade);
}

TEST(statements, a_proof_of_not_null) {
    const statement made = understand("ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL AND b > 0) NOT VALID");
    ASSERT_EQ(made.clauses.size(), 1U);
    EXPECT_TRUE(made.clauses[0].made->not_valid);
    EXPECT_EQ(made.clauses[0].made->value->proven_not_null, std::vector<std::string>{"a"});
    const statement either = understand("ALTER TABLE t ADD CHECK (a IS NOT NULL OR b > 0)");
    EXPECT_TRUE(either.clauses[0].made->value->proven_not_null.empty());
}

TEST(statements, newer_than_the_parser) {
    const statement plain = understand("ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID, ADD COLUMN b int");
    EXPECT_EQ(plain.since, 18);
    ASSERT_EQ(plain.clauses.size(), 2U);
    EXPECT_EQ(plain.clauses[0].made->kind, constraint_kind::not_null);
    EXPECT_TRUE(plain.clauses[0].made->not_valid);
    EXPECT_EQ(plain.clauses[1].kind, clause_kind::add_column);

    const statement computed = understand(
        "ALTER TABLE t ADD COLUMN a int GENERATED ALWAYS AS (b + 1) VIRTUAL, ADD COLUMN c int GENERATED ALWAYS AS (b)");
    EXPECT_EQ(computed.since, 18);
    EXPECT_FALSE(computed.clauses[0].added->find(constraint_kind::generated)->stored);
    EXPECT_FALSE(computed.clauses[1].added->find(constraint_kind::generated)->stored);

    const statement lax = understand("CREATE TABLE t (a int CHECK (a > 0) NOT ENFORCED, b int CHECK (b > 0))");
    EXPECT_EQ(lax.since, 18);
    ASSERT_EQ(lax.columns.size(), 2U);
    EXPECT_TRUE(lax.columns[0].constraints[0].not_enforced);
    EXPECT_FALSE(lax.columns[1].constraints[0].not_enforced);

    EXPECT_EQ(understand("ALTER TABLE t ALTER a SET EXPRESSION AS (b)").since, 17);
    EXPECT_EQ(understand("ALTER TABLE t ALTER CONSTRAINT c ENFORCED").clauses.at(0).word, "ENFORCED");
    EXPECT_EQ(understand("REPACK (CONCURRENTLY) s.t").concurrently, true);
    EXPECT_EQ(understand("REPACK (CONCURRENTLY false) t").concurrently, false);
    EXPECT_EQ(understand("MERGE INTO t USING s ON true WHEN MATCHED THEN DELETE").since, 15);
}

TEST(statements, a_mistake_is_not_taken_for_something_newer) {
    const statement made = understand("ALTER TABLE t ADD COLUMN a int, DORP COLUMN b");
    EXPECT_EQ(made.kind, statement_kind::not_understood);
    EXPECT_FALSE(made.parse_error.empty());
    EXPECT_EQ(made.error_at.column, 33U);
}

TEST(statements, others) {
    EXPECT_EQ(understand("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON ONLY s.t (a DESC, lower(b)) WHERE c")
                  .made_index->columns.size(),
              2U);
    EXPECT_TRUE(understand("DROP INDEX CONCURRENTLY IF EXISTS a, s.b").concurrently);
    EXPECT_EQ(understand("DROP TRIGGER g ON s.t").relation, (qualified_name{"s", "t"}));
    EXPECT_TRUE(understand("VACUUM (FULL, ANALYZE) t").full);
    EXPECT_FALSE(understand("VACUUM (FULL off) t").full);
    EXPECT_TRUE(understand("REINDEX (CONCURRENTLY) TABLE t").concurrently);
    EXPECT_TRUE(understand("REINDEX INDEX CONCURRENTLY i").concurrently);
    EXPECT_EQ(understand("ALTER TYPE s.e ADD VALUE IF NOT EXISTS 'x' AFTER 'y'").name, "x");
    EXPECT_EQ(understand("SET LOCAL lock_timeout = '2s'").value, "2s");
    EXPECT_TRUE(understand("SET LOCAL lock_timeout = '2s'").local);
    EXPECT_TRUE(understand("UPDATE t SET a = 1 WHERE id = 5").pointed);
    EXPECT_FALSE(understand("UPDATE t SET a = 1 WHERE status = 'x'").pointed);
    EXPECT_TRUE(understand("DELETE FROM t WHERE ctid IN (SELECT ctid FROM t LIMIT 10)").limited);
    EXPECT_EQ(understand("LOCK TABLE a, b IN SHARE MODE NOWAIT").value, "SHARE");
    EXPECT_EQ(understand("ALTER DOMAIN d VALIDATE CONSTRAINT c").value, "V");
    EXPECT_EQ(understand("ALTER TABLE t RENAME COLUMN a TO b").clauses.at(0).kind, clause_kind::rename_column);
    EXPECT_EQ(understand("ALTER INDEX i RENAME TO j").object, object_kind::index);
    EXPECT_EQ(understand("CREATE TABLE p PARTITION OF s.t DEFAULT").partition_of, (qualified_name{"s", "t"}));
    EXPECT_TRUE(understand("CREATE TABLE p PARTITION OF s.t DEFAULT").default_partition);
    EXPECT_EQ(understand("EXPLAIN DELETE FROM t").kind, statement_kind::other);
    EXPECT_EQ(understand("EXPLAIN (ANALYZE) DELETE FROM t").kind, statement_kind::remove);
    EXPECT_EQ(understand("COMMENT ON COLUMN s.t.a IS 'x'").relation, (qualified_name{"s", "t"}));
    EXPECT_EQ(understand("ALTER PUBLICATION p ADD TABLE s.t").relations.at(0), (qualified_name{"s", "t"}));
}

TEST(statements, blocks_of_code) {
    const statement made = understand(
        "DO $$ DECLARE n int; BEGIN IF NOT EXISTS (SELECT 1 FROM pg_class) THEN ALTER TABLE t ADD COLUMN a int; ELSE "
        "EXECUTE 'DROP INDEX i'; END "
        "IF; SELECT count(*) INTO n FROM t; UPDATE t SET a = CASE WHEN a = 1 THEN 2 ELSE 3 END; EXCEPTION WHEN OTHERS "
        "THEN NULL; END $$");
    ASSERT_EQ(made.kind, statement_kind::perform);
    EXPECT_EQ(made.why, "");
    ASSERT_EQ(made.inner.size(), 4U);
    EXPECT_EQ(made.inner[0].kind, statement_kind::alter_table);
    EXPECT_EQ(made.inner[1].kind, statement_kind::drop);
    EXPECT_EQ(made.inner[2].kind, statement_kind::select);
    EXPECT_EQ(made.inner[3].kind, statement_kind::update);
    EXPECT_NE(understand("DO $$ BEGIN EXECUTE format('DROP TABLE %I', 'x'); END $$").why, "");
    EXPECT_NE(understand("DO $$ BEGIN FOR r IN SELECT 1 LOOP EXECUTE 'ALTER TABLE ' || r; END LOOP; END $$").why, "");
    EXPECT_NE(understand("DO LANGUAGE plpython3u $$ x $$").why, "");
}

TEST(statements, too_deep_or_too_long_to_read) {
    std::string deep = "SELECT 1";
    for (int at = 0; at < 20'000; ++at) {
        deep += "+1";
    }
    EXPECT_EQ(understand(deep).kind, statement_kind::not_understood);
    EXPECT_EQ(understand("SELECT " + std::string(100'000, '(') + "1" + std::string(100'000, ')')).kind,
              statement_kind::not_understood);
    std::string rows = "INSERT INTO s.t VALUES (-1)";
    for (int at = 0; at < 20'000; ++at) {
        rows += ",(-1)";
    }
    EXPECT_EQ(understand(rows).relation, (qualified_name{"s", "t"}));
}

TEST(names, tells_what_the_with_of_a_query_writes) {
    const statement query = understand(
        "WITH gone AS (DELETE FROM s.a USING c WHERE a.x = c.x RETURNING *), "
        "named AS (UPDATE ONLY b SET y = 1 WHERE id = 5 RETURNING 1) SELECT count(*) FROM gone, named, d");
    EXPECT_EQ(query.kind, statement_kind::select);
    EXPECT_EQ(query.why, "");
    ASSERT_EQ(query.writes.size(), 2U);
    const bool deletes_first = query.writes[0].kind == statement_kind::remove;
    const statement& gone = query.writes[deletes_first ? 0 : 1];
    const statement& named = query.writes[deletes_first ? 1 : 0];
    EXPECT_EQ(gone.relation, (qualified_name{"s", "a"}));
    EXPECT_EQ(gone.reads, (std::vector<qualified_name>{{"", "c"}}));
    EXPECT_TRUE(gone.filtered);
    EXPECT_FALSE(gone.pointed);
    EXPECT_EQ(named.kind, statement_kind::update);
    EXPECT_EQ(named.relation, (qualified_name{"", "b"}));
    EXPECT_TRUE(named.pointed);
    EXPECT_TRUE(named.only);
    EXPECT_TRUE(understand("WITH x AS (SELECT 1) SELECT * FROM x").writes.empty());
    // MERGE … RETURNING is newer than the parser.
    const statement newer = understand(
        "WITH x AS (MERGE INTO s.a USING b ON a.id = b.id WHEN MATCHED THEN DELETE RETURNING 1) SELECT * FROM x");
    EXPECT_EQ(newer.kind, statement_kind::not_understood);
    ASSERT_EQ(newer.writes.size(), 1U);
    EXPECT_EQ(newer.writes[0].kind, statement_kind::merge);
    EXPECT_EQ(newer.writes[0].relation, (qualified_name{"s", "a"}));
    const statement returning = understand("UPDATE ONLY s.a SET x = 1 RETURNING WITH (OLD AS o) o.x");
    ASSERT_EQ(returning.writes.size(), 1U);
    EXPECT_EQ(returning.writes[0].relation, (qualified_name{"s", "a"}));
}

TEST(names, as_the_server_makes_them) {
    EXPECT_EQ(made_name("t", {"a", "b"}, "idx"), "t_a_b_idx");
    EXPECT_EQ(made_name("t", {}, "pkey"), "t_pkey");
    const auto named = [](const std::string& column) {
        return made_name(
            "t", *understand("ALTER TABLE t ADD COLUMN a " + column).clauses.at(0).added->find(constraint_kind::check));
    };
    EXPECT_EQ(named("int CHECK (a > 0)"), "t_a_check");
    EXPECT_EQ(named("int CHECK (b > 0 AND b < 9)"), "t_b_check") << "after the column that it reads";
    EXPECT_EQ(named("int CHECK (a > b)"), "t_check");
    const std::string name = made_name(std::string(60, 't'), {std::string(60, 'c')}, "fkey");
    EXPECT_EQ(name.size(), 63U);
    EXPECT_EQ(name, std::string(29, 't') + "_" + std::string(28, 'c') + "_fkey");
    EXPECT_EQ(sql_name("order"), "\"order\"");
    EXPECT_EQ(sql_name("orders"), "orders");
    EXPECT_EQ(sql_name("Orders"), "\"Orders\"");
}

}  // namespace
}  // namespace pgeist::ddl
