// Each rule with what it is about, and with what looks alike and is harmless.

#include <gtest/gtest.h>

#include <set>

#include "lint_test.hpp"

namespace pgeist::lint {
namespace {

struct example {
    const char* rule;
    level how_bad;
    const char* dangerous;
    const char* harmless;
    int version = 15;
    int minor = -1;
};

void PrintTo(const example& each, std::ostream* out) {
    std::string name = each.rule;
    std::replace(name.begin(), name.end(), '-', '_');
    *out << name;
}

const example examples[] = {
    {"adding-field-with-default", level::error, "ALTER TABLE t ADD a float DEFAULT random();",
     "ALTER TABLE t ADD a timestamptz DEFAULT now();"},
    {"default-volatility", level::error, "ALTER TABLE t ADD a text DEFAULT app.make();",
     "ALTER TABLE t ADD a text DEFAULT lower('X');"},
    {"adding-constrained-domain", level::error,
     "-- +goose Up\nCREATE DOMAIN d AS int CHECK (value > 0); ALTER TABLE t ADD a d;",
     "CREATE DOMAIN d AS int; ALTER TABLE t ADD a d;"},
    {"adding-serial-primary-key-field", level::error, "ALTER TABLE t ADD a serial;",
     "CREATE TABLE t (b int); ALTER TABLE t ADD a serial;"},
    {"adding-generated-column", level::error, "ALTER TABLE t ADD a int GENERATED ALWAYS AS (b) STORED;",
     "ALTER TABLE t ADD a int GENERATED ALWAYS AS (b) VIRTUAL;", 18},
    {"adding-required-field", level::error, "ALTER TABLE t ADD a int NOT NULL;",
     "ALTER TABLE t ADD a int NOT NULL DEFAULT 0;"},
    {"changing-column-type", level::error, "ALTER TABLE t ALTER a TYPE bigint;",
     "CREATE TABLE t (a int); ALTER TABLE t ALTER a TYPE bigint;"},
    {"changing-generation-expression", level::error, "ALTER TABLE t ALTER a SET EXPRESSION AS (b);",
     "ALTER TABLE t ALTER a DROP EXPRESSION;", 17},
    {"adding-foreign-key-constraint", level::error, "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u;",
     "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES u NOT VALID;"},
    {"constraint-missing-not-valid", level::error, "ALTER TABLE t ADD CHECK (a > 0);",
     "ALTER TABLE t ADD CHECK (a > 0) NOT VALID;"},
    {"disallowed-unique-constraint", level::error, "ALTER TABLE t ADD UNIQUE (a);",
     "ALTER TABLE t ADD CONSTRAINT q UNIQUE USING INDEX i;"},
    {"adding-exclusion-constraint", level::error, "ALTER TABLE t ADD EXCLUDE USING gist (a WITH =);",
     "CREATE TABLE t (a int); ALTER TABLE t ADD EXCLUDE USING gist (a WITH =);"},
    {"adding-not-nullable-field", level::error, "ALTER TABLE t ALTER a SET NOT NULL;",
     "ALTER TABLE t ALTER a DROP NOT NULL;"},
    {"not-null-proof", level::error,
     "BEGIN; ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID; COMMIT; BEGIN; ALTER TABLE t ALTER a SET "
     "NOT NULL; COMMIT;",
     "BEGIN; ALTER TABLE t ADD CONSTRAINT c CHECK (a IS NOT NULL) NOT VALID; COMMIT; BEGIN; ALTER TABLE t VALIDATE "
     "CONSTRAINT c; COMMIT; BEGIN; "
     "ALTER TABLE t ALTER a SET NOT NULL; COMMIT;"},
    {"ban-alter-domain-with-add-constraint", level::error, "ALTER DOMAIN d SET NOT NULL;",
     "ALTER DOMAIN d ADD CONSTRAINT c CHECK (value > 0) NOT VALID;"},
    {"enforcing-constraint-again", level::error, "ALTER TABLE t ALTER CONSTRAINT c ENFORCED;",
     "ALTER TABLE t ALTER CONSTRAINT c NOT ENFORCED;", 18},
    {"require-concurrent-index-creation", level::error, "CREATE INDEX ON t (a);",
     "CREATE INDEX CONCURRENTLY ON t (a);"},
    {"require-concurrent-index-deletion", level::warning, "DROP INDEX i;", "DROP INDEX CONCURRENTLY i;"},
    {"require-concurrent-reindex", level::error, "REINDEX INDEX i;", "REINDEX INDEX CONCURRENTLY i;"},
    {"concurrently-if-not-exists", level::warning, "CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a);",
     "CREATE INDEX CONCURRENTLY i ON t (a);"},
    {"cic-version-bug", level::error, "CREATE INDEX CONCURRENTLY i ON t (a);", "CREATE TABLE t (a int);", 14, 3},
    {"require-concurrent-partition-detach", level::warning, "ALTER TABLE p DETACH PARTITION q;",
     "ALTER TABLE p DETACH PARTITION q CONCURRENTLY;"},
    {"attaching-partition", level::error, "ALTER TABLE p ATTACH PARTITION q FOR VALUES IN (1);",
     "CREATE TABLE q (a int); ALTER TABLE p ATTACH PARTITION q FOR VALUES IN (1);"},
    {"creating-partition", level::warning, "CREATE TABLE q PARTITION OF p FOR VALUES IN (1);",
     "CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE q PARTITION OF p FOR VALUES IN (1);"},
    {"lock-held-across-work", level::error, "ALTER TABLE t ADD a int; CREATE INDEX x ON t (a);",
     "BEGIN; ALTER TABLE t ADD a int; COMMIT; BEGIN; UPDATE t SET a = 1; COMMIT;"},
    {"several-tables-locked", level::warning, "ALTER TABLE a ADD x int; ALTER TABLE b ADD x int;",
     "ALTER TABLE a ADD x int; ALTER TABLE a ADD y int;"},
    {"ban-concurrent-index-creation-in-transaction", level::error,
     "BEGIN; CREATE INDEX CONCURRENTLY i ON t (a); COMMIT;", "CREATE INDEX CONCURRENTLY i ON t (a);"},
    {"transaction-nesting", level::warning, "-- +goose Up\nBEGIN; SELECT 1; COMMIT;",
     "-- +goose NO TRANSACTION\n-- +goose Up\nBEGIN; SELECT 1; COMMIT;"},
    {"transaction-nesting", level::warning, "BEGIN; BEGIN; SELECT 1; COMMIT;",
     "BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT;"},
    {"ban-uncommitted-transaction", level::error, "BEGIN; SELECT 1;", "BEGIN; SELECT 1; COMMIT;"},
    {"enum-value-used-in-transaction", level::error,
     "BEGIN; ALTER TYPE e ADD VALUE 'x'; INSERT INTO t VALUES ('x'); COMMIT;",
     "BEGIN; ALTER TYPE e ADD VALUE 'x'; COMMIT; INSERT INTO t VALUES ('x');"},
    {"session-settings", level::warning, "SET statement_timeout = 5000; ALTER TABLE t VALIDATE CONSTRAINT c;",
     "SET statement_timeout = 5000; SET statement_timeout = 0; ALTER TABLE t VALIDATE CONSTRAINT c;"},
    {"require-lock-timeout", level::info, "ALTER TABLE t ADD a int;",
     "SET lock_timeout = '2s'; ALTER TABLE t ADD a int;"},
    {"renaming-column", level::warning, "ALTER TABLE t RENAME a TO b;",
     "CREATE TABLE t (a int); ALTER TABLE t RENAME a TO b;"},
    {"renaming-table", level::warning, "ALTER TABLE t RENAME TO u;", "ALTER INDEX t RENAME TO u;"},
    {"renaming-enum-value", level::warning, "ALTER TYPE e RENAME VALUE 'a' TO 'b';",
     "CREATE TYPE e AS ENUM ('a'); ALTER TYPE e RENAME VALUE 'a' TO 'b';"},
    {"ban-drop-column", level::warning, "ALTER TABLE t DROP a;",
     "CREATE TABLE t (a int, b int); ALTER TABLE t DROP a;"},
    {"ban-drop-table", level::warning, "DROP TABLE t;", "CREATE TABLE t (a int); DROP TABLE t;"},
    {"ban-drop-database", level::warning, "DROP DATABASE d;", "CREATE DATABASE d;"},
    {"ban-truncate-cascade", level::warning, "TRUNCATE t CASCADE;", "TRUNCATE t;"},
    {"truncating-table", level::warning, "TRUNCATE t;", "CREATE TABLE t (a int); TRUNCATE t;"},
    {"dropping-cascade", level::warning, "DROP VIEW v CASCADE;", "DROP VIEW v;"},
    {"disabling-trigger", level::warning, "ALTER TABLE t DISABLE TRIGGER ALL;", "ALTER TABLE t ENABLE TRIGGER ALL;"},
    {"removing-replica-identity", level::warning, "ALTER TABLE t REPLICA IDENTITY NOTHING;",
     "ALTER TABLE t REPLICA IDENTITY FULL;"},
    {"unbatched-write", level::warning, "UPDATE t SET a = 1;", "UPDATE t SET a = 1 WHERE id = 3;"},
    {"unbatched-write", level::warning, "WITH x AS (DELETE FROM t RETURNING 1) SELECT 1;",
     "WITH x AS (DELETE FROM t WHERE id = 3 RETURNING 1) SELECT 1;"},
    {"vacuum-full-or-cluster", level::error, "VACUUM FULL t;", "VACUUM t;"},
    {"refresh-without-concurrently", level::error, "REFRESH MATERIALIZED VIEW m;",
     "REFRESH MATERIALIZED VIEW CONCURRENTLY m;"},
    {"table-rewrite", level::error, "ALTER TABLE t SET TABLESPACE x;", "ALTER INDEX i RENAME TO j;"},
    {"table-scan", level::error, "DO $$ BEGIN ALTER TABLE t ADD CHECK (a > 0); END $$;",
     "DO $$ BEGIN ALTER TABLE t ADD CHECK (a > 0) NOT VALID; END $$;"},
    {"index-build", level::error, "DO $$ BEGIN CREATE INDEX ON t (a); END $$;", "DO $$ BEGIN DROP INDEX i; END $$;"},
    {"will-fail", level::error, "ALTER TABLE t ADD a int GENERATED ALWAYS AS (b) VIRTUAL;", "ALTER TABLE t ADD a int;",
     17},
    {"needless-change", level::info, "CREATE TABLE t (a int); ALTER TABLE t ADD a int;",
     "CREATE TABLE t (a int); ALTER TABLE t ADD b int;"},
    {"other-table-locked", level::info, "CREATE TABLE n (a int REFERENCES t);",
     "CREATE TABLE n (a int REFERENCES n (a));"},
    {"use-pgeist", level::info, "ALTER TABLE t ALTER a TYPE bigint;", "ALTER TABLE t ADD CHECK (a > 0);"},
    {"takes-lock", level::info, "SET lock_timeout = 1; ALTER TABLE t ADD a int;", "SELECT 1;"},
    {"syntax-error", level::error, "ALTRE TABLE t;", "ALTER TABLE t ADD a int;"},
    {"not-analysed", level::warning, "CALL p();", "SELECT 1;"},
    {"unknown-ignore", level::warning, "-- pgeist-ignore no-such-rule\nDROP TABLE t;",
     "-- pgeist-ignore ban-drop-table\nDROP TABLE t;"},
    {"unused-ignore", level::warning, "-- pgeist-ignore ban-drop-table\nSELECT 1;",
     "-- pgeist-ignore ban-drop-table\nDROP TABLE t;"},
};

class rules : public ::testing::TestWithParam<example> {};

TEST_P(rules, find_what_they_are_about_only) {
    const example& each = GetParam();
    settings options;
    options.server = {each.version, each.minor};
    const report bad = test::checked(each.dangerous, options);
    EXPECT_TRUE(test::has(bad, each.rule, each.how_bad)) << each.dangerous << "\n" << test::told(bad);
    const report good = test::checked(each.harmless, options);
    for (const finding& found : good.findings) {
        EXPECT_TRUE(found.rule != each.rule || found.how_bad == level::info || found.suppressed)
            << each.harmless << "\n"
            << found.message;
    }
}

INSTANTIATE_TEST_SUITE_P(lint, rules, ::testing::ValuesIn(examples));

TEST(rule_texts, each_has_its_example) {
    std::set<std::string> shown{"unreadable-file", "type-change-hidden-work",           // tested below
                                "blocked-now",     "invalid-index-in-the-way", "room",  // in lint_server_test.cpp
                                "replica-impact"};
    for (const example& each : examples) {
        shown.insert(each.rule);
    }
    for (const rule_text& each : rule_texts()) {
        EXPECT_TRUE(shown.contains(std::string(each.name))) << each.name;
        EXPECT_FALSE(each.summary.empty() || each.facts.empty() || each.recipe.empty()) << each.name;
    }
    EXPECT_EQ(shown.size(), rule_texts().size());
}

TEST(lint, one_simulation_through_a_directory) {
    std::vector<source> files(2);
    files[0].name = "V1.sql";
    files[0].text = "CREATE TABLE t (v varchar(10), n int, CONSTRAINT c CHECK (v <> ''));";
    files[1].name = "V2.sql";
    files[1].text = "ALTER TABLE t ALTER v TYPE varchar(20);";
    files[1].begins_simulation = false;
    const report found = check(files, read(files, ddl::transaction_mode::automatic), {});
    EXPECT_TRUE(test::has(found, "type-change-hidden-work", level::error)) << test::told(found);
    EXPECT_FALSE(test::has(found, "changing-column-type", level::error));
    files[1].begins_simulation = true;
    EXPECT_TRUE(test::has(check(files, read(files, ddl::transaction_mode::automatic), {}), "changing-column-type",
                          level::error));
}

TEST(lint, sections_that_take_back_are_for_files_that_are_named) {
    source file;
    file.name = "001.sql";
    file.text = "-- +goose Up\nSELECT 1;\n-- +goose Down\nCREATE INDEX ON t (a);";
    const std::vector<source> files{file};
    EXPECT_EQ(check(files, read(files, ddl::transaction_mode::automatic), {}).findings.size(), 0U);
    EXPECT_TRUE(test::has(test::checked(file.text), "require-concurrent-index-creation", level::error));
}

TEST(lint, time_decides_where_it_is_known) {
    source file;
    file.name = "m.sql";
    file.text = "CREATE INDEX i ON t (a);";
    const std::vector<source> files{file};
    const auto migrations = read(files, ddl::transaction_mode::automatic);
    answers tried;
    probe::effect does;
    does.lock("public.t", probe::lock_mode::share);
    does.build("public.i");
    does.source = probe::evidence::tried;
    does.blocks_ms = 499;
    tried.server.schema.apply(ddl::understand("CREATE TABLE t (a int)"));
    tried.server.schema.set_complete();
    answer said;
    said.tried = does;
    tried.of_files = {{said}};
    EXPECT_TRUE(test::has(check(files, migrations, {}, &tried), "require-concurrent-index-creation", level::info));
    tried.of_files[0][0].tried->blocks_ms = 501;
    EXPECT_TRUE(test::has(check(files, migrations, {}, &tried), "require-concurrent-index-creation", level::error));
    tried.of_files[0][0].tried->blocks_ms.reset();
    EXPECT_TRUE(test::has(check(files, migrations, {}, &tried), "require-concurrent-index-creation", level::error));
}

TEST(lint, an_enum_value_in_a_default_or_a_check_is_used) {
    for (const char* const sql : {"ALTER TABLE t ALTER m SET DEFAULT 'ok';", "ALTER TABLE t ADD k mood DEFAULT 'ok';",
                                  "ALTER TABLE t ADD CHECK (m <> 'ok');", "CREATE TABLE n (m mood DEFAULT 'ok');"}) {
        EXPECT_TRUE(test::has(test::checked(std::string("BEGIN; ALTER TYPE mood ADD VALUE 'ok'; ") + sql + " COMMIT;"),
                              "enum-value-used-in-transaction", level::error))
            << sql;
    }
}

TEST(lint, every_lock_is_told) {
    for (const char* const sql :
         {"INSERT INTO t VALUES (1);", "COMMENT ON TABLE t IS 'x';", "ANALYZE t;", "LOCK TABLE t;",
          "ALTER TYPE e ADD VALUE 'x';", "CREATE INDEX CONCURRENTLY i ON t (a);",
          "ALTER TABLE t VALIDATE CONSTRAINT c;", "SELECT 1 FROM t FOR UPDATE;"}) {
        EXPECT_FALSE(test::checked(sql).findings.empty()) << sql;
    }
    EXPECT_TRUE(test::checked("SELECT 1 FROM t; SET work_mem = '1GB'; CREATE TABLE n (a int);").findings.empty());
}

TEST(lint, what_the_parser_rejects) {
    settings newer;
    newer.server.major = 18;
    EXPECT_EQ(exit_code_of(test::checked("ALTER TABLE t BOGUS;"), fail_on::never), 2);
    EXPECT_EQ(exit_code_of(test::checked("ALTER TABLE t BOGUS;", newer), fail_on::error), 0);
    EXPECT_TRUE(test::has(test::checked("ALTER TABLE t BOGUS;", newer), "syntax-error", level::warning));
    EXPECT_EQ(test::checked("ALTER TABLE t BOGUS;", newer).gaps.size(), 1U);
    EXPECT_TRUE(test::checked("ALTER TABLE t ADD CONSTRAINT n NOT NULL a NOT VALID;", newer).gaps.empty());
    const report both = test::checked("ALTER TABLE t BOGUS; CREATE INDEX ON t (a);");
    EXPECT_TRUE(test::has(both, "require-concurrent-index-creation", level::error))
        << "the rest is looked at all the same";
}

TEST(lint, exit_codes) {
    const report warned = test::checked("DROP TABLE t;");
    EXPECT_EQ(exit_code_of(warned, fail_on::error), 0);
    EXPECT_EQ(exit_code_of(warned, fail_on::warning), 1);
    EXPECT_EQ(exit_code_of(warned, fail_on::never), 0);
    EXPECT_EQ(exit_code_of(test::checked("CREATE INDEX ON t (a);"), fail_on::error), 1);
    EXPECT_EQ(exit_code_of(test::checked("CREATE INDEX ON t (a);"), fail_on::never), 0);
    source gone;
    gone.name = "gone.sql";
    gone.problem = "there is no such file";
    const std::vector<source> files{gone};
    const report unread = check(files, read(files, ddl::transaction_mode::automatic), {});
    EXPECT_TRUE(test::has(unread, "unreadable-file", level::error));
    EXPECT_EQ(exit_code_of(unread, fail_on::never), 2);
}

}  // namespace
}  // namespace pgeist::lint
