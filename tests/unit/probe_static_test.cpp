// The rules by which a statement's locks and work are told without a server, row by row, by version.

#include <gtest/gtest.h>

#include <algorithm>
#include <cctype>
#include <ostream>
#include <string>
#include <vector>

#include "pgeist/ddl/migration.hpp"
#include "pgeist/probe/static_effects.hpp"

namespace pgeist::probe {
namespace {

/// What the last statement of a script does; those before it are in a file before.
static_answer last_of(const std::string& before, const std::string& statement, int version = 15,
                      bool same_file = false) {
    schema state;
    state.begin_file();
    state.begin_transaction(1);
    for (const ddl::step& each : ddl::read_migration("a.sql", before).steps) {
        state.apply(each.what);
    }
    if (!same_file) {
        state.begin_file();
        state.begin_transaction(2);
    }
    const ddl::statement what = ddl::understand(statement);
    EXPECT_NE(what.kind, ddl::statement_kind::not_understood) << statement << ": " << what.why;
    return static_effect(what, state, server_version{version, -1});
}

std::string told(const effect& does) {
    std::string text;
    for (const relation_lock& each : does.locks) {
        text += (text.empty() ? "" : ", ") + std::string(words_of(each.mode)) + " " + each.relation;
    }
    for (const std::string& each : does.rewrites) {
        text += " rewrite " + each;
    }
    for (const std::string& each : does.scans) {
        text += " scan " + each;
    }
    for (const std::string& each : does.builds) {
        text += " build " + each;
    }
    return text + (does.fails ? " fails " + does.fails->sqlstate : "") + (does.needless ? " needless" : "");
}

struct row {
    const char* before;
    const char* statement;
    const char* expected;
    int version = 15;
};

/// In test names, where CMake wants letters only.
void PrintTo(const row& each, std::ostream* out) {
    std::string name = std::to_string(each.version) + "_" + each.statement;
    std::replace_if(
        name.begin(), name.end(), [](char c) { return std::isalnum(static_cast<unsigned char>(c)) == 0; }, '_');
    *out << name;
}

const char* const tables =
    "CREATE TABLE u (id int PRIMARY KEY, code varchar(10) UNIQUE);"
    "CREATE TABLE t (id int PRIMARY KEY, a int, v varchar(10), n numeric(10,2), ts timestamp, u_id int CONSTRAINT t_fk "
    "REFERENCES u (id),"
    " CONSTRAINT pos CHECK (a > 0));"
    "CREATE INDEX t_v ON t (v); CREATE INDEX t_part ON t (n) WHERE a > 1; CREATE TYPE mood AS ENUM ('a');"
    "CREATE DOMAIN pos AS int CHECK (value > 0); CREATE DOMAIN plain AS int;";

const char* const parts =
    "CREATE TABLE p (id int, k int) PARTITION BY LIST (k); CREATE TABLE p1 PARTITION OF p FOR VALUES IN (1);"
    "CREATE TABLE pd PARTITION OF p DEFAULT; CREATE TABLE x (id int, k int);";

class static_rules : public ::testing::TestWithParam<row> {};

TEST_P(static_rules, tell) {
    const row& each = GetParam();
    EXPECT_EQ(told(last_of(each.before, each.statement, each.version).whole), each.expected)
        << each.statement << " on " << each.version;
}

const row alter_rows[] = {
    {"", "ALTER TABLE t ADD COLUMN b int", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER TABLE s.t ADD COLUMN b int", "ACCESS EXCLUSIVE s.t"},
    {"SET search_path = app;", "ALTER TABLE t ADD COLUMN b int", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER TABLE t ADD COLUMN b timestamptz DEFAULT now()", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER TABLE t ADD COLUMN b int NOT NULL DEFAULT 5", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER TABLE t ADD COLUMN b uuid DEFAULT gen_random_uuid()", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {"", "ALTER TABLE t ADD COLUMN b int DEFAULT f()", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {tables, "ALTER TABLE t ADD COLUMN b pos", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {tables, "ALTER TABLE t ADD COLUMN b plain", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER TABLE t ADD COLUMN b bigserial", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {"", "ALTER TABLE t ADD COLUMN b int GENERATED ALWAYS AS IDENTITY", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {"", "ALTER TABLE t ADD COLUMN b int GENERATED ALWAYS AS (a) STORED", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {"", "ALTER TABLE t ADD COLUMN b int GENERATED ALWAYS AS (a) VIRTUAL", "ACCESS EXCLUSIVE public.t", 18},
    {"", "ALTER TABLE t ADD COLUMN b int NOT NULL GENERATED ALWAYS AS (a) VIRTUAL",
     "ACCESS EXCLUSIVE public.t scan public.t", 18},
    {"", "ALTER TABLE t ADD COLUMN b int GENERATED ALWAYS AS (a) VIRTUAL", "ACCESS EXCLUSIVE public.t fails 42601", 17},
    {"", "ALTER TABLE t ADD COLUMN b int NOT NULL", "ACCESS EXCLUSIVE public.t fails 23502"},
    {"", "ALTER TABLE t ADD COLUMN b int DEFAULT 1 CHECK (b > 0)", "ACCESS EXCLUSIVE public.t scan public.t"},
    {"", "ALTER TABLE t ADD COLUMN b int REFERENCES u", "ACCESS EXCLUSIVE public.t, SHARE ROW EXCLUSIVE public.u"},
    {"", "ALTER TABLE t ADD COLUMN b int DEFAULT 1 REFERENCES u",
     "ACCESS EXCLUSIVE public.t, SHARE ROW EXCLUSIVE public.u scan public.t"},
    {"", "ALTER TABLE t ADD COLUMN b int UNIQUE", "ACCESS EXCLUSIVE public.t build public.t_b_key"},
    {tables, "ALTER TABLE t ADD COLUMN a int", "ACCESS EXCLUSIVE public.t needless"},
    {tables, "ALTER TABLE t DROP COLUMN u_id", "ACCESS EXCLUSIVE public.t, ACCESS EXCLUSIVE public.u"},
    {tables, "ALTER TABLE u DROP COLUMN id", "ACCESS EXCLUSIVE public.u, ACCESS EXCLUSIVE public.t fails 2BP01"},
    {"", "ALTER TABLE t ALTER a TYPE bigint", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {tables, "ALTER TABLE t ALTER a TYPE int", "ACCESS EXCLUSIVE public.t scan public.t build public.t_part"},
    {tables, "ALTER TABLE t ALTER v TYPE varchar(20)", "ACCESS EXCLUSIVE public.t build public.t_part"},
    {tables, "ALTER TABLE u ALTER code TYPE text", "ACCESS EXCLUSIVE public.u"},
    {tables, "ALTER TABLE u ALTER code TYPE varchar(5)", "ACCESS EXCLUSIVE public.u rewrite public.u"},
    {tables, "ALTER TABLE u ALTER code TYPE text USING code || 'x'", "ACCESS EXCLUSIVE public.u rewrite public.u"},
    {tables, "ALTER TABLE u ALTER id TYPE bigint",
     "ACCESS EXCLUSIVE public.u, ACCESS EXCLUSIVE public.t rewrite public.u scan public.t"},
    {"", "ALTER TABLE t ALTER a SET NOT NULL", "ACCESS EXCLUSIVE public.t scan public.t"},
    {"ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL);", "ALTER TABLE t ALTER a SET NOT NULL",
     "ACCESS EXCLUSIVE public.t"},
    {"ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID;", "ALTER TABLE t ALTER a SET NOT NULL",
     "ACCESS EXCLUSIVE public.t scan public.t"},
    {"ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID; ALTER TABLE t VALIDATE CONSTRAINT c;",
     "ALTER TABLE t ALTER a SET NOT NULL", "ACCESS EXCLUSIVE public.t"},
    {"ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL);", "ALTER TABLE t ALTER a SET NOT NULL, DROP CONSTRAINT c",
     "ACCESS EXCLUSIVE public.t scan public.t"},
    {tables, "ALTER TABLE t ALTER id SET NOT NULL", "ACCESS EXCLUSIVE public.t needless"},
    {"", "ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID", "ACCESS EXCLUSIVE public.t", 18},
    {"ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID;", "ALTER TABLE t ALTER a SET NOT NULL",
     "ACCESS EXCLUSIVE public.t scan public.t", 18},
    {"ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID;", "ALTER TABLE t VALIDATE CONSTRAINT n",
     "SHARE UPDATE EXCLUSIVE public.t scan public.t", 18},
    {"", "ALTER TABLE t ALTER a DROP NOT NULL", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER TABLE t ALTER a SET DEFAULT random()", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER TABLE t ALTER a SET STATISTICS 100", "SHARE UPDATE EXCLUSIVE public.t"},
    {"", "ALTER TABLE t SET (fillfactor = 70)", "SHARE UPDATE EXCLUSIVE public.t"},
    {"", "ALTER TABLE t SET (user_catalog_table = true)", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER TABLE t ALTER a SET EXPRESSION AS (b)", "ACCESS EXCLUSIVE public.t rewrite public.t", 17},
    {"", "ALTER TABLE t ADD CHECK (a > 0)", "ACCESS EXCLUSIVE public.t scan public.t"},
    {"", "ALTER TABLE t ADD CHECK (a > 0) NOT VALID", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER TABLE t ADD CHECK (a > 0) NOT ENFORCED", "ACCESS EXCLUSIVE public.t", 18},
    {"", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u",
     "SHARE ROW EXCLUSIVE public.t, SHARE ROW EXCLUSIVE public.u scan public.t"},
    {"", "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u NOT VALID",
     "SHARE ROW EXCLUSIVE public.t, SHARE ROW EXCLUSIVE public.u"},
    {parts, "ALTER TABLE p ADD FOREIGN KEY (id) REFERENCES u NOT VALID",
     "SHARE ROW EXCLUSIVE public.p, SHARE ROW EXCLUSIVE public.p1, SHARE ROW EXCLUSIVE public.pd, SHARE ROW EXCLUSIVE "
     "public.u fails 42809",
     17},
    {parts, "ALTER TABLE p ADD FOREIGN KEY (id) REFERENCES u NOT VALID",
     "SHARE ROW EXCLUSIVE public.p, SHARE ROW EXCLUSIVE public.p1, SHARE ROW EXCLUSIVE public.pd, SHARE ROW EXCLUSIVE "
     "public.u",
     18},
    {tables, "ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u NOT VALID",
     "SHARE ROW EXCLUSIVE public.t, SHARE ROW EXCLUSIVE public.u"},
    {"ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (a) REFERENCES u NOT VALID;", "ALTER TABLE t VALIDATE CONSTRAINT f",
     "SHARE UPDATE EXCLUSIVE public.t, ROW SHARE public.u scan public.t"},
    {"", "ALTER TABLE t ADD UNIQUE (a, b)", "ACCESS EXCLUSIVE public.t build public.t_a_b_key"},
    {"", "ALTER TABLE t ADD PRIMARY KEY (a)", "ACCESS EXCLUSIVE public.t scan public.t build public.t_pkey"},
    {"", "ALTER TABLE t ADD CONSTRAINT q UNIQUE USING INDEX i", "ACCESS EXCLUSIVE public.t, ACCESS EXCLUSIVE public.i"},
    {"", "ALTER TABLE t ADD CONSTRAINT q PRIMARY KEY USING INDEX i",
     "ACCESS EXCLUSIVE public.t, ACCESS EXCLUSIVE public.i scan public.t"},
    {tables, "ALTER TABLE t ADD CONSTRAINT q UNIQUE USING INDEX t_v",
     "ACCESS EXCLUSIVE public.t, ACCESS EXCLUSIVE public.t_v fails 42809"},
    {"", "ALTER TABLE t ADD EXCLUDE USING gist (a WITH =)", "ACCESS EXCLUSIVE public.t build public.t_a_excl"},
    {tables, "ALTER TABLE t DROP CONSTRAINT t_fk", "ACCESS EXCLUSIVE public.t, ACCESS EXCLUSIVE public.u"},
    {tables, "ALTER TABLE u DROP CONSTRAINT u_pkey",
     "ACCESS EXCLUSIVE public.u, ACCESS EXCLUSIVE public.u_pkey fails 2BP01"},
    {"", "ALTER TABLE t DISABLE TRIGGER g", "SHARE ROW EXCLUSIVE public.t"},
    {"", "ALTER TABLE t CLUSTER ON i", "SHARE UPDATE EXCLUSIVE public.t"},
    {"", "ALTER TABLE t SET UNLOGGED", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {"", "ALTER TABLE t SET TABLESPACE x", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {"", "ALTER TABLE t SET ACCESS METHOD heap", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {"", "ALTER TABLE t SET ACCESS METHOD heap", "ACCESS EXCLUSIVE public.t rewrite public.t fails 42601", 14},
    {"", "ALTER TABLE t RENAME a TO b", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER TABLE t RENAME TO b", "ACCESS EXCLUSIVE public.t"},
    {"", "ALTER INDEX i RENAME TO j", "SHARE UPDATE EXCLUSIVE public.i"},
    {"", "ALTER INDEX i SET (fastupdate = off)", "ACCESS EXCLUSIVE public.i"},
    {"", "ALTER TABLE t INHERIT s.p", "ACCESS EXCLUSIVE public.t, SHARE UPDATE EXCLUSIVE s.p"},
    {parts, "ALTER TABLE p ATTACH PARTITION x FOR VALUES IN (2)",
     "SHARE UPDATE EXCLUSIVE public.p, ACCESS EXCLUSIVE public.x, ACCESS EXCLUSIVE public.pd scan public.x scan "
     "public.pd"},
    {"", "ALTER TABLE p ATTACH PARTITION x FOR VALUES IN (2)",
     "SHARE UPDATE EXCLUSIVE public.p, ACCESS EXCLUSIVE public.x scan public.x"},
    {"ALTER TABLE x ADD CHECK (k IS NOT NULL AND k = 2);", "ALTER TABLE p ATTACH PARTITION x FOR VALUES IN (2)",
     "SHARE UPDATE EXCLUSIVE public.p, ACCESS EXCLUSIVE public.x"},
    {parts, "ALTER TABLE p DETACH PARTITION p1",
     "ACCESS EXCLUSIVE public.p, ACCESS EXCLUSIVE public.p1, ACCESS EXCLUSIVE public.pd"},
    {"", "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
     "SHARE UPDATE EXCLUSIVE public.p, ACCESS EXCLUSIVE public.p1"},
    {parts, "ALTER TABLE p DETACH PARTITION p1 CONCURRENTLY",
     "SHARE UPDATE EXCLUSIVE public.p, ACCESS EXCLUSIVE public.p1 fails 55000"},
    {parts, "ALTER TABLE p ADD CHECK (id > 0)",
     "ACCESS EXCLUSIVE public.p, ACCESS EXCLUSIVE public.p1, ACCESS EXCLUSIVE public.pd scan public.p1 scan public.pd"},
    {parts, "ALTER TABLE p SET LOGGED", "ACCESS EXCLUSIVE public.p fails 42809", 18},
};
INSTANTIATE_TEST_SUITE_P(alter_table, static_rules, ::testing::ValuesIn(alter_rows));

const row other_rows[] = {
    {"", "CREATE INDEX i ON t (a)", "SHARE public.t build public.i"},
    {"", "CREATE INDEX ON s.t (a, lower(b))", "SHARE s.t build s.t_a_expr_idx"},
    {"", "CREATE INDEX CONCURRENTLY i ON t (a)", "SHARE UPDATE EXCLUSIVE public.t build public.i"},
    {parts, "CREATE INDEX CONCURRENTLY i ON p (id)", "SHARE UPDATE EXCLUSIVE public.p build public.i fails 0A000"},
    {parts, "CREATE INDEX i ON ONLY p (id)", "SHARE public.p"},
    {tables, "CREATE INDEX t_v ON t (a)", "SHARE public.t fails 42P07"},
    {tables, "DROP INDEX t_v", "ACCESS EXCLUSIVE public.t_v, ACCESS EXCLUSIVE public.t"},
    {tables, "DROP INDEX CONCURRENTLY t_v", "ACCESS EXCLUSIVE public.t_v, SHARE UPDATE EXCLUSIVE public.t"},
    {tables, "DROP INDEX u_code_key", "ACCESS EXCLUSIVE public.u_code_key, ACCESS EXCLUSIVE public.u fails 2BP01"},
    {tables, "REINDEX INDEX t_v", "SHARE public.t, ACCESS EXCLUSIVE public.t_v build public.t_v"},
    {tables, "REINDEX TABLE CONCURRENTLY u",
     "SHARE UPDATE EXCLUSIVE public.u, SHARE UPDATE EXCLUSIVE public.u_code_key, SHARE UPDATE EXCLUSIVE public.u_pkey "
     "build public.u_code_key build "
     "public.u_pkey"},
    {"", "CREATE TABLE n (id int, t_id int REFERENCES t)", "SHARE ROW EXCLUSIVE public.t"},
    {"", "CREATE TABLE n (id int)", ""},
    {parts, "CREATE TABLE p2 PARTITION OF p FOR VALUES IN (2)",
     "ACCESS EXCLUSIVE public.p, ACCESS EXCLUSIVE public.pd scan public.pd"},
    {tables, "CREATE TABLE t (id int)", " needless"},
    {tables, "DROP TABLE t", "ACCESS EXCLUSIVE public.t, ACCESS EXCLUSIVE public.u"},
    {tables, "DROP TABLE u", "ACCESS EXCLUSIVE public.u fails 2BP01"},
    {tables, "DROP TABLE u, t", "ACCESS EXCLUSIVE public.u, ACCESS EXCLUSIVE public.t"},
    {tables, "DROP TABLE u CASCADE", "ACCESS EXCLUSIVE public.u, ACCESS EXCLUSIVE public.t"},
    {parts, "DROP TABLE p1", "ACCESS EXCLUSIVE public.p1, ACCESS EXCLUSIVE public.p, ACCESS EXCLUSIVE public.pd"},
    {"CREATE TABLE t (v varchar(10)); ALTER TABLE t ADD CHECK (v IS NOT NULL) NOT VALID;",
     "ALTER TABLE t ALTER v TYPE varchar(20)", "ACCESS EXCLUSIVE public.t"},
    {"DROP TABLE t;", "DROP TABLE IF EXISTS t", " needless"},
    {"", "TRUNCATE t", "ACCESS EXCLUSIVE public.t"},
    {tables, "TRUNCATE u", "ACCESS EXCLUSIVE public.u fails 0A000"},
    {"", "CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()", "SHARE ROW EXCLUSIVE public.t"},
    {"", "DROP TRIGGER g ON t", "ACCESS EXCLUSIVE public.t"},
    {"", "CREATE POLICY y ON t", "ACCESS EXCLUSIVE public.t"},
    {"", "CREATE STATISTICS st ON a, b FROM t", "SHARE UPDATE EXCLUSIVE public.t"},
    {"", "COMMENT ON TABLE t IS 'x'", "SHARE UPDATE EXCLUSIVE public.t"},
    {"", "CREATE PUBLICATION y FOR TABLE t", "SHARE UPDATE EXCLUSIVE public.t"},
    {"", "GRANT SELECT ON t TO r", "", 14},
    {"", "GRANT SELECT ON t TO r", "ACCESS SHARE public.t", 18},
    {"", "ALTER TYPE mood ADD VALUE 'b'", "EXCLUSIVE public.mood"},
    {"", "ALTER DOMAIN d ADD CONSTRAINT c CHECK (value > 0)", "SHARE * scan *"},
    {"", "ALTER DOMAIN d ADD CONSTRAINT c CHECK (value > 0) NOT VALID", ""},
    {"", "ALTER DOMAIN d VALIDATE CONSTRAINT c", "SHARE * scan *"},
    {"", "ALTER SEQUENCE q RESTART", "SHARE ROW EXCLUSIVE public.q"},
    {"", "REFRESH MATERIALIZED VIEW m", "ACCESS EXCLUSIVE public.m rewrite public.m"},
    {"", "REFRESH MATERIALIZED VIEW CONCURRENTLY m", "EXCLUSIVE public.m rewrite public.m"},
    {"", "CLUSTER t USING i", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {"", "VACUUM t", "SHARE UPDATE EXCLUSIVE public.t"},
    {"", "VACUUM FULL t", "ACCESS EXCLUSIVE public.t rewrite public.t"},
    {"", "REPACK t", "ACCESS EXCLUSIVE public.t rewrite public.t", 19},
    {"", "REPACK (CONCURRENTLY) t", "SHARE UPDATE EXCLUSIVE public.t rewrite public.t", 19},
    {"", "REPACK t", "ACCESS EXCLUSIVE public.t rewrite public.t fails 42601", 18},
    {"", "UPDATE t SET a = 1", "ROW EXCLUSIVE public.t scan public.t"},
    {"", "DELETE FROM t WHERE a = 1", "ROW EXCLUSIVE public.t"},
    {"", "INSERT INTO t SELECT * FROM u", "ROW EXCLUSIVE public.t, ACCESS SHARE public.u"},
    {"", "SELECT * FROM t FOR UPDATE", "ROW SHARE public.t"},
    {"", "LOCK TABLE t IN SHARE MODE", "SHARE public.t"},
    {"", "DO $$ BEGIN ALTER TABLE t ADD CHECK (a > 0); END $$", "ACCESS EXCLUSIVE public.t scan public.t"},
};
INSTANTIATE_TEST_SUITE_P(others, static_rules, ::testing::ValuesIn(other_rows));

TEST(static_rule, needs_of_transactions) {
    EXPECT_EQ(last_of("", "CREATE INDEX CONCURRENTLY i ON t (a)").whole.transaction, transaction_need::own_steps);
    EXPECT_EQ(last_of("", "DROP INDEX CONCURRENTLY i").whole.transaction, transaction_need::own_steps);
    EXPECT_EQ(last_of("", "VACUUM t").whole.transaction, transaction_need::own_steps);
    EXPECT_EQ(last_of("", "CREATE DATABASE d").whole.transaction, transaction_need::own);
    EXPECT_EQ(last_of("", "ANALYZE t").whole.transaction, transaction_need::any);
}

TEST(static_rule, what_is_called_is_not_known) {
    EXPECT_EQ(last_of("", "SELECT count(*), max(a), now() FROM t").whole.not_understood, "");
    EXPECT_NE(last_of("", "SELECT create_hypertable('t', 'at')").whole.not_understood, "");
    EXPECT_NE(last_of("", "SELECT app.migrate()").whole.not_understood, "");
    EXPECT_EQ(last_of("", "SELECT pg_catalog.set_config('search_path', '', false)").whole.not_understood, "");
    EXPECT_NE(last_of("", "DO $$ BEGIN PERFORM app.migrate(); END $$").whole.not_understood, "");
    EXPECT_EQ(last_of("", "DO $$ BEGIN CREATE INDEX CONCURRENTLY i ON t (a); END $$").whole.fails->sqlstate, "25001");
}

TEST(static_rule, what_is_assumed_is_said) {
    EXPECT_FALSE(last_of("", "ALTER TABLE t ALTER a TYPE text").whole.assumptions.empty());
    EXPECT_FALSE(last_of("", "ALTER TABLE t ADD COLUMN a int DEFAULT f()").whole.assumptions.empty());
    EXPECT_TRUE(last_of(tables, "ALTER TABLE u ALTER code TYPE text").whole.assumptions.empty());
}

TEST(lock_modes, conflict_as_the_server_says) {
    using enum lock_mode;
    EXPECT_TRUE(conflict(share, row_exclusive));
    EXPECT_FALSE(conflict(share, share));
    EXPECT_FALSE(conflict(share, row_share));
    EXPECT_TRUE(conflict(share_update_exclusive, share_update_exclusive));
    EXPECT_FALSE(conflict(share_update_exclusive, row_exclusive));
    EXPECT_TRUE(conflict(share_row_exclusive, share_row_exclusive));
    EXPECT_TRUE(conflict(exclusive, row_share));
    EXPECT_FALSE(conflict(exclusive, access_share));
    EXPECT_TRUE(conflict(access_exclusive, access_share));
    for (int a = 1; a <= 8; ++a) {
        for (int b = 1; b <= 8; ++b) {
            EXPECT_EQ(conflict(static_cast<lock_mode>(a), static_cast<lock_mode>(b)),
                      conflict(static_cast<lock_mode>(b), static_cast<lock_mode>(a)));
        }
    }
    EXPECT_EQ(lock_mode_of("ShareRowExclusiveLock"), share_row_exclusive);
    EXPECT_EQ(lock_mode_of("SHARE ROW EXCLUSIVE"), share_row_exclusive);
    EXPECT_EQ(lock_mode_of(""), std::nullopt);
}

ddl::type_name type(const std::string& text) {
    return ddl::understand("ALTER TABLE t ADD COLUMN c " + text).clauses.at(0).added->type;
}

TEST(type_changes, that_keep_the_rows) {
    const schema none;
    const std::vector<std::pair<const char*, const char*>> free{{"varchar(10)", "varchar(20)"},
                                                                {"varchar(10)", "varchar"},
                                                                {"varchar(10)", "text"},
                                                                {"text", "varchar"},
                                                                {"numeric(10,2)", "numeric(12,2)"},
                                                                {"numeric(10,2)", "numeric"},
                                                                {"timestamp(3)", "timestamp(6)"},
                                                                {"timestamptz(3)", "timestamptz"},
                                                                {"cidr", "inet"},
                                                                {"varbit(5)", "varbit(9)"},
                                                                {"int", "int4"},
                                                                {"xml", "text"}};
    for (const auto& [from, to] : free) {
        EXPECT_FALSE(judge_type_change(type(from), type(to), false, none).rewrite) << from << " to " << to;
    }
    const std::vector<std::pair<const char*, const char*>> rewriting{{"int", "bigint"},
                                                                     {"bigint", "int"},
                                                                     {"varchar(20)", "varchar(10)"},
                                                                     {"text", "varchar(10)"},
                                                                     {"char(5)", "text"},
                                                                     {"char(5)", "char(9)"},
                                                                     {"numeric(10,2)", "numeric(10,4)"},
                                                                     {"numeric", "numeric(10,2)"},
                                                                     {"json", "jsonb"},
                                                                     {"timestamp", "timestamptz"},
                                                                     {"timestamp(6)", "timestamp(3)"},
                                                                     {"varchar(5)[]", "varchar(9)[]"},
                                                                     {"inet", "cidr"},
                                                                     {"bit(5)", "bit(9)"}};
    for (const auto& [from, to] : rewriting) {
        EXPECT_TRUE(judge_type_change(type(from), type(to), false, none).rewrite) << from << " to " << to;
    }
}

}  // namespace
}  // namespace pgeist::probe
