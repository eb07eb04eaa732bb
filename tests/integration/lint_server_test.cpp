// lint with a connection, on real servers: one simulation, sizes, who is in the way, roles, and that nothing stays.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "probe_test.hpp"
#include "support/sync_connection.hpp"

namespace pgeist::test {
namespace {

class lint_server : public probe_test {
protected:
    void SetUp() override {
        probe_test::SetUp();
        if (!HasFatalFailure() && !IsSkipped()) {
            sql().execute(
                "CREATE SCHEMA app; CREATE TABLE app.t (id int PRIMARY KEY, n int, v varchar(20)); "
                "INSERT INTO app.t SELECT i, i, 'v' FROM generate_series(1, 1000) AS i; "
                "CREATE TABLE app.empty (id int PRIMARY KEY, long_text text); ANALYZE");
        }
    }

    lint::report lint_with_server_of(const test_database& other, const std::vector<std::string>& texts) {
        connect_to(other.uri());
        return lint_with_server(texts);
    }

    static const lint::finding* find(const lint::report& found, const std::string& rule) {
        for (const lint::finding& each : found.findings) {
            if (each.rule == rule) {
                return &each;
            }
        }
        return nullptr;
    }

    static std::string all(const lint::report& found) {
        std::string text;
        for (const lint::finding& each : found.findings) {
            text += std::to_string(each.line) + " " + each.rule + " (" + std::string(lint::word_of(each.how_bad)) +
                    ", " + std::string(probe::word_of(each.does.source)) + "): " + each.message + "\n";
        }
        return text;
    }

    static bool fails(const lint::report& found) { return find(found, "will-fail") != nullptr; }
};

TEST_F(lint_server, what_a_statement_makes_is_known_to_the_next) {
    const lint::report found = lint_with_server({"CREATE TABLE app.n (id int PRIMARY KEY, t_id int);\n"
                                                 "ALTER TABLE app.n ADD FOREIGN KEY (t_id) REFERENCES app.t;\n"
                                                 "ALTER TABLE app.t ADD COLUMN c int;\n"
                                                 "ALTER TABLE app.t ALTER COLUMN c TYPE bigint;\n"
                                                 "CREATE INDEX CONCURRENTLY t_c ON app.t (c);\n",
                                                 "ALTER TABLE app.n DROP COLUMN t_id;\n"
                                                 "ALTER TABLE app.t DROP COLUMN c;\n"
                                                 "ALTER TABLE app.t DROP COLUMN nosuch, DROP COLUMN n;\n"},
                                                ddl::transaction_mode::statement);
    ASSERT_TRUE(fails(found)) << all(found);
    EXPECT_EQ(find(found, "will-fail")->file, "m2.sql") << all(found);
    EXPECT_EQ(find(found, "will-fail")->line, 3U) << all(found);
    EXPECT_EQ(found.count(lint::level::error), 1U) << all(found);
}

TEST_F(lint_server, a_required_column_fails_where_there_are_rows) {
    const lint::report full = lint_with_server({"ALTER TABLE app.t ADD COLUMN c int NOT NULL;"});
    ASSERT_NE(find(full, "adding-required-field"), nullptr) << all(full);
    EXPECT_EQ(find(full, "adding-required-field")->how_bad, lint::level::error);
    const lint::report empty = lint_with_server({"ALTER TABLE app.empty ADD COLUMN c int NOT NULL;"});
    EXPECT_EQ(find(empty, "adding-required-field"), nullptr) << all(empty);
    EXPECT_FALSE(fails(empty)) << all(empty);
}

TEST_F(lint_server, a_new_schema_and_what_is_made_in_it) {
    const lint::report found =
        lint_with_server({"CREATE SCHEMA IF NOT EXISTS fresh;\n"
                          "CREATE TABLE fresh.a (id int PRIMARY KEY);\n"
                          "CREATE TABLE fresh.b (a_id int REFERENCES fresh.a);\n"
                          "ALTER TABLE fresh.b ADD COLUMN c int, ALTER COLUMN a_id SET NOT NULL;\n"
                          "ALTER TABLE fresh.b ALTER COLUMN nosuch SET NOT NULL;\n"});
    ASSERT_TRUE(fails(found)) << all(found);
    EXPECT_EQ(find(found, "will-fail")->line, 5U) << all(found);
    EXPECT_EQ(sql().scalar("SELECT count(*) FROM pg_namespace WHERE nspname = 'fresh'"), "0");
}

TEST_F(lint_server, a_new_enum_value_in_a_later_transaction) {
    sql().execute("CREATE TYPE app.mood AS ENUM ('sad'); ALTER TABLE app.t ADD COLUMN m app.mood");
    const lint::report found =
        lint_with_server({"ALTER TYPE app.mood ADD VALUE 'ok';\nALTER TABLE app.t ALTER COLUMN m SET DEFAULT 'ok';\n"},
                         ddl::transaction_mode::statement);
    EXPECT_FALSE(fails(found)) << all(found);
    const lint::report one = lint_with_server(
        {"BEGIN;\nALTER TYPE app.mood ADD VALUE 'ok';\nALTER TABLE app.t ALTER COLUMN m SET DEFAULT 'ok';\nCOMMIT;\n"});
    EXPECT_NE(find(one, "enum-value-used-in-transaction"), nullptr) << all(one);
}

TEST_F(lint_server, a_table_that_is_renamed_and_made_anew) {
    const lint::report found = lint_with_server({"ALTER TABLE app.t RENAME TO t_old;\n"
                                                 "CREATE TABLE app.t (id int PRIMARY KEY, n bigint, v text);\n"
                                                 "INSERT INTO app.t SELECT * FROM app.t_old;\n"
                                                 "ALTER TABLE app.t ADD COLUMN c float DEFAULT random();\n"
                                                 "ALTER TABLE app.t_old DROP COLUMN n;\n"
                                                 "ALTER TABLE app.t DROP COLUMN nosuch, DROP COLUMN n;\n"
                                                 "DROP TABLE app.t_old;\n"},
                                                ddl::transaction_mode::statement);
    ASSERT_TRUE(fails(found)) << all(found);
    EXPECT_EQ(find(found, "will-fail")->line, 6U) << all(found);
    EXPECT_EQ(found.count(lint::level::error), 1U) << all(found);
}

TEST_F(lint_server, names_that_need_quotes) {
    sql().execute(
        "CREATE SCHEMA \"My.Schema\"; CREATE TABLE \"My.Schema\".\"order\" (\"Id\" int PRIMARY KEY, n int); "
        "INSERT INTO \"My.Schema\".\"order\" SELECT i, i FROM generate_series(1, 10) AS i; ANALYZE");
    const lint::report found = lint_with_server({"ALTER TABLE \"My.Schema\".\"order\" ALTER COLUMN n TYPE bigint;"});
    const lint::finding* change = find(found, "changing-column-type");
    ASSERT_NE(change, nullptr) << all(found);
    EXPECT_EQ(change->does.rewrites, std::vector<std::string>{"\"My.Schema\".\"order\""});
    EXPECT_TRUE(change->does.blocks_ms.has_value());
}

TEST_F(lint_server, a_database_in_another_encoding) {
    test_database latin(server_under_test().value(), "LATIN1");
    latin.connect().execute("CREATE TABLE public.t (id int PRIMARY KEY, n int)");
    const lint::report found = lint_with_server_of(
        latin,
        {"ALTER TABLE public.t ADD COLUMN \"caf\xc3\xa9\" int;\nALTER TABLE public.t ALTER COLUMN n TYPE bigint;\n"
         "COMMENT ON TABLE public.t IS '\xe2\x82\xac';\nCREATE TABLE \"\xe2\x82\xac\" (id int);\n"});
    ASSERT_NE(find(found, "changing-column-type"), nullptr) << all(found);
    EXPECT_EQ(find(found, "changing-column-type")->does.source, probe::evidence::tried) << all(found);
}

TEST_F(lint_server, size_decides) {
    const char* const statement = "ALTER TABLE app.t ALTER COLUMN n TYPE bigint;";
    const lint::report small = lint_with_server({statement});
    ASSERT_NE(find(small, "changing-column-type"), nullptr) << all(small);
    EXPECT_EQ(find(small, "changing-column-type")->how_bad, lint::level::info);
    sql().execute(
        "ALTER TABLE app.t ADD COLUMN w char(1000); "
        "INSERT INTO app.t SELECT i, i, 'v', 'w' FROM generate_series(1001, 60000) AS i");
    const lint::report large = lint_with_server({statement});  // not analysed since: the file is measured
    EXPECT_EQ(find(large, "changing-column-type")->how_bad, lint::level::error) << all(large);
    EXPECT_GT(find(large, "changing-column-type")->does.bytes.value_or(0), 60'000'000);
}

TEST_F(lint_server, a_statement_that_was_not_tried_is_told_by_the_catalogs) {
    sql().execute("CREATE MATERIALIZED VIEW app.mv AS SELECT id FROM app.t");
    const lint::report found = lint_with_server(
        {"ALTER TABLE app.t SET UNLOGGED;\nREFRESH MATERIALIZED VIEW app.mv;\nALTER TABLE app.t ADD COLUMN c int;\n"},
        ddl::transaction_mode::statement);
    ASSERT_FALSE(found.findings.empty());
    EXPECT_EQ(found.findings.front().does.source, probe::evidence::catalog) << all(found);
    EXPECT_EQ(found.findings.back().does.source, probe::evidence::tried) << all(found);
}

TEST_F(lint_server, user_data_stays_as_it_is) {
    const std::string before = sql().scalar("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM app.t AS t");
    sql().execute(
        "CREATE SEQUENCE app.s; CREATE FUNCTION app.f() RETURNS int LANGUAGE plpgsql AS "
        "'BEGIN DELETE FROM app.t; RETURN 1; END'");
    static_cast<void>(lint_with_server(
        {"UPDATE app.t SET n = 0; DELETE FROM app.t; TRUNCATE app.t; INSERT INTO app.t VALUES (-1); "
         "SELECT app.f(); SELECT nextval('app.s'); DO $$ BEGIN DELETE FROM app.t; END $$; DROP TABLE app.t CASCADE; "
         "CREATE TABLE app.copy AS SELECT app.f(); CALL app.f(); COPY app.t FROM PROGRAM 'touch "
         "/tmp/pgeist-was-here';"}));
    EXPECT_EQ(sql().scalar("SELECT md5(string_agg(t::text, ',' ORDER BY id)) FROM app.t AS t"), before);
    EXPECT_EQ(sql().scalar("SELECT is_called FROM app.s"), "f");
    EXPECT_EQ(sql().scalar("SELECT count(*) FROM pg_class WHERE relname LIKE '%pgeist%' OR relname = 'copy'"), "0");
    EXPECT_EQ(sql().scalar("SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
                           "WHERE n.nspname LIKE 'pg\\_temp%'"),
              "0");
}

TEST_F(lint_server, says_who_is_in_the_way) {
    sync_connection other = db().connect();
    other.execute("SET application_name = 'report'; BEGIN; SELECT count(*) FROM app.t");
    sql().scalar("SELECT pg_sleep(1.1)");  // younger ones are not told of
    const lint::report found = lint_with_server({"ALTER TABLE app.t ADD COLUMN c int;"});
    ASSERT_NE(find(found, "blocked-now"), nullptr) << all(found);
    EXPECT_NE(find(found, "blocked-now")->message.find("application report"), std::string::npos) << all(found);
    EXPECT_NE(find(found, "blocked-now")->message.find("ACCESS SHARE on app.t"), std::string::npos) << all(found);
    other.execute("COMMIT");
    EXPECT_EQ(find(lint_with_server({"ALTER TABLE app.t ADD COLUMN c int;"}), "blocked-now"), nullptr);
}

TEST_F(lint_server, does_not_wait_for_a_locked_table) {
    sync_connection other = db().connect();
    other.execute("BEGIN; LOCK TABLE app.t");
    const lint::report found = lint_with_server({"ALTER TABLE app.t ALTER COLUMN n TYPE bigint;"});
    ASSERT_NE(find(found, "changing-column-type"), nullptr) << all(found);
    EXPECT_TRUE(find(found, "changing-column-type")->does.blocks_ms.has_value()) << "the size of the last ANALYZE";
}

TEST_F(lint_server, names_an_invalid_index) {
    sql().execute("INSERT INTO app.t VALUES (0, 1, 'v')");  // n is 1 twice
    EXPECT_THROW(sql().execute("CREATE UNIQUE INDEX CONCURRENTLY t_n ON app.t (n)"), sql_error);
    const lint::report found = lint_with_server({"CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_n ON app.t (n);"},
                                                ddl::transaction_mode::statement);
    ASSERT_NE(find(found, "invalid-index-in-the-way"), nullptr) << all(found);
    EXPECT_NE(find(found, "invalid-index-in-the-way")->message.find("app.t_n"), std::string::npos);
}

TEST_F(lint_server, the_servers_parser_decides) {
    const lint::report found = lint_with_server({"ALTRE TABLE app.t;\nALTER TABLE app.t ADD COLUMN c int;\n"});
    ASSERT_NE(find(found, "syntax-error"), nullptr) << all(found);
    EXPECT_NE(find(found, "syntax-error")->message.find("ALTRE"), std::string::npos);
    EXPECT_TRUE(found.unreadable);
}

TEST_F(lint_server, a_role_that_may_only_read) {
    const std::string role = db().create_role("reader");
    sql().execute("REVOKE TEMPORARY ON DATABASE " + db().name() + " FROM PUBLIC; GRANT USAGE ON SCHEMA app TO " + role +
                  "; GRANT SELECT ON app.t TO " + role);
    connect_as(role);
    const lint::report found = lint_with_server({"ALTER TABLE app.t ALTER COLUMN n TYPE bigint;"});
    ASSERT_NE(find(found, "changing-column-type"), nullptr) << all(found);
    EXPECT_EQ(find(found, "changing-column-type")->does.source, probe::evidence::catalog);
    EXPECT_EQ(find(found, "changing-column-type")->how_bad, lint::level::info) << all(found);
    EXPECT_NE(found.asked.find("temporary"), std::string::npos) << found.asked;
}

TEST_F(lint_server, says_why_nothing_is_tried_at_all) {
    sql().execute(
        "CREATE FUNCTION app.e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'; "
        "CREATE EVENT TRIGGER " +
        db().name() + "_e ON ddl_command_end EXECUTE FUNCTION app.e()");
    connect_as(db().create_role("someone"));
    const lint::report found =
        lint_with_server({"ALTER TABLE app.t ADD COLUMN c int;\nALTER TABLE app.t DROP COLUMN n;\n"});
    EXPECT_NE(found.asked.find("event trigger"), std::string::npos) << found.asked;
    for (const lint::finding& each : found.findings) {
        EXPECT_EQ(each.does.source, probe::evidence::catalog);
    }
}

TEST_F(lint_server, a_role_without_any_right_on_the_tables) {
    connect_as(db().create_role("nobody"));
    const lint::report found = lint_with_server({"ALTER TABLE app.t ALTER COLUMN n TYPE bigint;"});
    ASSERT_NE(find(found, "changing-column-type"), nullptr) << all(found);
    EXPECT_TRUE(find(found, "changing-column-type")->does.blocks_ms.has_value());
}

TEST_F(lint_server, migrations_that_have_run_already_are_needless) {
    sql().execute(
        "CREATE TABLE app.done (id int); ALTER TABLE app.done ADD COLUMN c int; CREATE INDEX done_c ON app.done (c); "
        "ALTER TABLE app.done RENAME COLUMN id TO key");
    const lint::report found = lint_with_server(
        {"CREATE TABLE app.done (id int);\nALTER TABLE app.done ADD COLUMN c int;\n"
         "CREATE INDEX done_c ON app.done (c);\nALTER TABLE app.done RENAME COLUMN id TO key;\nDROP TABLE app.gone;\n"},
        ddl::transaction_mode::statement);
    EXPECT_FALSE(fails(found)) << all(found);
    int needless = 0;
    for (const lint::finding& each : found.findings) {
        needless += each.rule == "needless-change" ? 1 : 0;
    }
    EXPECT_EQ(needless, 5) << all(found);
}

TEST_F(lint_server, takes_nothing_stronger_than_access_share) {
    sync_connection other = db().connect();
    other.execute("BEGIN; LOCK TABLE app.t IN ACCESS EXCLUSIVE MODE; LOCK TABLE app.empty IN EXCLUSIVE MODE");
    const lint::report found = lint_with_server({"DROP TABLE app.empty;\nTRUNCATE app.t;\n"});
    EXPECT_FALSE(found.findings.empty()) << "it did not wait";
}

// The labelled migrations name tables that are not here, or make them: whatever comes of it, nothing stays.
TEST_F(lint_server, any_file_leaves_the_database_as_it_was) {
    const auto trace = [&] {
        return sql().scalar(
            "SELECT (SELECT count(*) FROM pg_class) || ' ' || (SELECT count(*) FROM pg_type) || ' ' || (SELECT "
            "count(*) "
            "FROM pg_proc) || ' ' || (SELECT count(*) FROM pg_constraint) || ' ' || (SELECT count(*) FROM app.t)");
    };
    const std::string before = trace();
    namespace fs = std::filesystem;
    std::size_t files = 0;
    for (const char* const folder : {"dangerous", "harmless"}) {
        for (const auto& each : fs::directory_iterator(fs::path(PGEIST_SOURCE_DIR) / "tests/lint" / folder)) {
            std::ostringstream text;
            text << std::ifstream(each.path(), std::ios::binary).rdbuf();
            const lint::report found = lint_with_server({text.str(), text.str() + "\n'"});  // the second is cut off
            EXPECT_TRUE(found.unreadable) << each.path();
            ++files;
        }
    }
    EXPECT_GE(files, 70U);
    // An orderly end of the session's temporary schema is the server's: its types and toast tables go with it.
    EXPECT_EQ(trace(), before);
}

}  // namespace
}  // namespace pgeist::test
