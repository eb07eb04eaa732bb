#include "pgeist/plan/migration_file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "pgeist/core/error.hpp"

namespace pgeist::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

migration_file read(const std::string& text) { return read_migration_file("m.sql", text); }

std::string complaint(const std::string& text, exit_code code) {
    try {
        static_cast<void>(read(text));
    } catch (const error& problem) {
        EXPECT_EQ(problem.code(), code) << problem.what();
        return problem.what();
    }
    ADD_FAILURE() << "accepted: " << text;
    return "";
}

std::vector<std::string> settings_of(const file_statement& what) {
    std::vector<std::string> all;
    for (const file_setting& each : what.settings) {
        all.push_back(each.sql);
    }
    return all;
}

TEST(plan_migration_file, takes_statements_in_order_with_their_lines) {
    const auto made = read(
        "-- first\nALTER TABLE a ADD b int;\n\nCREATE INDEX ON a (b); COMMENT ON TABLE a IS 'x';\n"
        "UPDATE a SET b = 1;\nINSERT INTO a VALUES (1);\nDO $$ BEGIN END $$;\nSET work_mem = '1MB';");
    ASSERT_EQ(made.statements.size(), 7U);
    std::vector<std::size_t> lines;
    std::vector<treatment> how;
    for (const file_statement& each : made.statements) {
        lines.push_back(each.line());
        how.push_back(each.how);
    }
    EXPECT_THAT(lines, ElementsAre(2, 4, 4, 5, 6, 7, 8));
    EXPECT_THAT(how, ElementsAre(treatment::alteration, treatment::definition, treatment::definition, treatment::rows,
                                 treatment::as_is, treatment::as_is, treatment::setting));
    EXPECT_TRUE(made.warnings.empty());
}

TEST(plan_migration_file, knows_a_file_by_its_statements) {
    const auto a = read("ALTER TABLE a ADD b int; SELECT 1;");
    const auto b =
        read("BEGIN; -- why\nALTER  TABLE a /* x */ ADD\n b int;\nSET lock_timeout = '1s';\nSELECT 1; COMMIT;");
    EXPECT_EQ(a.identity, b.identity);
    EXPECT_NE(a.identity, read("ALTER TABLE a ADD c int; SELECT 1;").identity);
    EXPECT_NE(a.identity, read("SELECT 1; ALTER TABLE a ADD b int;").identity);
    EXPECT_NE(read("SELECT 'a  b'").identity, read("SELECT 'a b'").identity);
    ASSERT_EQ(b.warnings.size(), 2U);
    EXPECT_THAT(b.warnings[0], HasSubstr("m.sql:1: BEGIN is ignored"));
    EXPECT_THAT(b.warnings[1], HasSubstr("m.sql:4: SET lock_timeout = '1s' is ignored"));
}

TEST(plan_migration_file, refuses_other_kinds_by_their_lines) {
    for (const char* each : {"TRUNCATE a",
                             "VACUUM a",
                             "COPY a FROM '/x'",
                             "LOCK TABLE a",
                             "CALL p()",
                             "CLUSTER a",
                             "REFRESH MATERIALIZED VIEW v",
                             "ROLLBACK",
                             "SAVEPOINT s",
                             "PREPARE TRANSACTION 'x'",
                             "LISTEN x",
                             "EXPLAIN SELECT 1",
                             "CREATE DATABASE d",
                             "DROP DATABASE d",
                             "ALTER SYSTEM SET work_mem = 1",
                             "ALTER DATABASE d SET TABLESPACE t",
                             "CREATE TABLESPACE t LOCATION '/x'",
                             "REINDEX DATABASE d",
                             "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p",
                             "DROP SUBSCRIPTION s",
                             "CREATE TEMP TABLE t (a int)",
                             "SECURITY LABEL ON TABLE a IS 'x'",
                             "REPACK a",
                             "MERGE INTO a USING b ON a.i = b.i WHEN MATCHED THEN DELETE",
                             "SELECT 'open",
                             "frobnicate a"}) {
        EXPECT_THAT(complaint(std::string("SELECT 1;\n") + each, exit_code::refused), HasSubstr("m.sql:2: ")) << each;
    }
    const std::string both = complaint("TRUNCATE a;\nSELECT 1;\nVACUUM a;", exit_code::refused);
    EXPECT_THAT(both, HasSubstr("m.sql:1: TRUNCATE"));
    EXPECT_THAT(both, HasSubstr("m.sql:3: VACUUM"));
}

TEST(plan_migration_file, takes_every_definition) {
    for (const char* each :
         {"ALTER SUBSCRIPTION s DISABLE", "CREATE SUBSCRIPTION s CONNECTION '' PUBLICATION p WITH (connect = false)",
          "GRANT a TO b", "ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO a", "CREATE ROLE r",
          "ALTER TYPE t ADD VALUE 'x'", "REINDEX TABLE a", "REVOKE ALL ON a FROM PUBLIC", "DROP OWNED BY r",
          "CREATE EXTENSION e", "ALTER EXTENSION e UPDATE", "CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN 1",
          "ALTER DATABASE d SET work_mem = '1MB'", "CREATE EVENT TRIGGER e ON ddl_command_end EXECUTE FUNCTION f()",
          "CREATE PROPERTY GRAPH g VERTEX TABLES (a)", "ALTER INDEX i RENAME TO j", "ALTER SEQUENCE s RESTART",
          "CREATE TABLE b AS SELECT 1"}) {
        EXPECT_EQ(read(each).statements.at(0).how, treatment::definition) << each;
    }
    EXPECT_EQ(read("ALTER TABLE a ADD CONSTRAINT n NOT NULL b NOT VALID").statements.at(0).how, treatment::alteration);
    EXPECT_EQ(read("UPDATE a SET b = c.b FROM c").statements.at(0).how, treatment::as_is);
    EXPECT_EQ(read("DELETE FROM a WHERE b").statements.at(0).how, treatment::rows);
}

TEST(plan_migration_file, refuses_commands_of_psql) {
    EXPECT_THAT(complaint("SELECT 1;\n\\i other.sql\n", exit_code::usage), HasSubstr("m.sql:2: \\i is a command"));
    EXPECT_THAT(complaint("SELECT 'DROP TABLE a'\n\\gexec\n", exit_code::usage), HasSubstr("\\gexec"));
    EXPECT_THAT(complaint("-- nothing\n", exit_code::usage), HasSubstr("no statement"));
    EXPECT_THAT(complaint("SELECT '\xff';", exit_code::usage), HasSubstr("UTF-8"));
}

TEST(plan_migration_file, leaves_out_what_takes_the_change_back) {
    const auto made = read("-- migrate:up\nALTER TABLE a ADD b int;\n-- migrate:down\nALTER TABLE a DROP b;\n\\bad");
    ASSERT_EQ(made.statements.size(), 1U);
    EXPECT_EQ(made.statements[0].line(), 2U);
}

TEST(plan_migration_file, keeps_what_is_set) {
    const auto made = read(
        "SET search_path = app, \"Odd\";\nSET SESSION work_mem TO '1MB';\nALTER TABLE a ADD b int;\n"
        "RESET work_mem;\nSELECT 1;\nSELECT pg_catalog.set_config('search_path', '', false);\nSELECT 2;\n"
        "BEGIN; SET LOCAL ROLE boss; SELECT 3; COMMIT; SELECT 4;");
    ASSERT_EQ(made.statements.size(), 10U);
    EXPECT_THAT(settings_of(made.statements[2]),
                ElementsAre("SET LOCAL search_path = app, \"Odd\"", "SET LOCAL work_mem TO '1MB'"));
    EXPECT_EQ(made.statements[2].settings[0].value, "\"app\", \"Odd\"");
    EXPECT_THAT(settings_of(made.statements[4]), ElementsAre("SET LOCAL search_path = app, \"Odd\""));
    EXPECT_THAT(settings_of(made.statements[6]), ElementsAre("SELECT pg_catalog.set_config('search_path', '', true)"));
    EXPECT_THAT(settings_of(made.statements[8]),
                ElementsAre("SELECT pg_catalog.set_config('search_path', '', true)", "SET LOCAL ROLE boss"));
    EXPECT_EQ(settings_of(made.statements[9]).size(), 1U);
}

}  // namespace
}  // namespace pgeist::plan
