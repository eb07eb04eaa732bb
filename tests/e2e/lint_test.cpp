// `pgeist lint` as its users run it, with and without a server.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/pgeist_process.hpp"
#include "support/private_server.hpp"
#include "support/test_database.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

namespace fs = std::filesystem;

std::string labelled(const std::string& name) { return PGEIST_SOURCE_DIR "/tests/lint/" + name; }

TEST(lint_command, exit_codes) {
    EXPECT_TRUE(exited(run_pgeist_bare({"lint", labelled("harmless/goose_101_column.sql")}), 0));
    EXPECT_TRUE(exited(run_pgeist_bare({"lint", labelled("dangerous/plain_reindex.sql")}), 1));
    EXPECT_TRUE(exited(run_pgeist_bare({"lint", "--fail-on", "never", labelled("dangerous/plain_reindex.sql")}), 0));
    EXPECT_TRUE(
        exited(run_pgeist_bare({"lint", "--fail-on", "warning", labelled("dangerous/V001__rename_column.sql")}), 1));
    EXPECT_TRUE(exited(run_pgeist_bare({"lint", labelled("no/such.sql")}), 2));
    EXPECT_TRUE(exited(run_pgeist_bare({"lint"}), 2));
    EXPECT_TRUE(exited(run_pgeist_bare({"lint", "-d", "postgresql://127.0.0.1:1/x", "--output", "json",
                                        labelled("dangerous/plain_reindex.sql")}),
                       9));
}

TEST(lint_command, writes_one_object_a_line) {
    const run_result result =
        run_pgeist_bare({"lint", "--output", "json", labelled("dangerous/plain_reindex.sql"), labelled("no/such.sql")});
    EXPECT_TRUE(exited(result, 2));
    EXPECT_TRUE(result.err.empty()) << result.err;
    const auto ends = result.events("result");
    ASSERT_EQ(ends.size(), 1U);
    EXPECT_EQ(ends[0].at("exit_code").as_int64(), 2);
    EXPECT_EQ(ends[0].at("files").as_int64(), 2);
    EXPECT_EQ(ends[0].at("not_analysed").as_array().size(), 1U);
    EXPECT_FALSE(result.events("finding").empty());
}

TEST(lint_command, looks_at_a_directory) {
    const run_result result = run_pgeist_bare({"lint", "--output", "json", labelled("harmless")});
    ASSERT_EQ(result.events("result").size(), 1U);
    EXPECT_GE(result.events("result")[0].at("files").as_int64(), 30);
}

TEST(lint_command, lists_and_explains_its_rules) {
    EXPECT_TRUE(says(run_pgeist_bare({"lint", "--rules"}), {"lock-held-across-work", "takes-lock"}));
    EXPECT_TRUE(says(run_pgeist_bare({"lint", "--explain", "not-null-proof"}), {"NOT VALID", "Instead"}));
    EXPECT_TRUE(exited(run_pgeist_bare({"lint", "--explain", "no-such-rule"}), 2));
}

TEST(lint_command, writes_every_format) {
    for (const char* const format : {"text", "json", "sarif", "github", "gitlab", "markdown"}) {
        const run_result result =
            run_pgeist_bare({"lint", "--output", format, labelled("dangerous/plain_reindex.sql")});
        EXPECT_TRUE(exited(result, 1)) << format;
        EXPECT_TRUE(says(result, {"require-concurrent-reindex"})) << format;
    }
    EXPECT_TRUE(exited(run_pgeist_bare({"lint", "--output", "xml", labelled("dangerous/plain_reindex.sql")}), 2));
}

class lint_command_with_server : public database_test {
protected:
    void SetUp() override {
        database_test::SetUp();
        std::string name = (fs::temp_directory_path() / "pgeist-lint-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override {
        fs::remove_all(folder_);
        database_test::TearDown();
    }

    std::string write(const std::string& name, const std::string& text) {
        std::ofstream(folder_ / name) << text;
        return (folder_ / name).string();
    }
    [[nodiscard]] std::string folder() const { return folder_.string(); }

private:
    fs::path folder_;
};

TEST_F(lint_command_with_server, a_directory_is_one_simulation) {
    sql().execute("CREATE TABLE public.t (id int PRIMARY KEY, n int)");
    write("V1__make.sql", "CREATE TABLE public.n (id int PRIMARY KEY);");
    write("V2__refer.sql", "ALTER TABLE public.n ADD COLUMN t_id int REFERENCES public.t;");
    write("V10__drop.sql", "ALTER TABLE public.n DROP COLUMN t_id;");
    const run_result result = run_pgeist(db().uri(), {"lint", "--output", "json", folder()});
    EXPECT_TRUE(exited(result, 0)) << result.out;
    bool tried = false;
    for (const auto& each : result.events("finding")) {
        EXPECT_NE(each.at("rule").as_string(), "will-fail") << result.out;
        tried = tried || each.at("evidence").as_string() == "tried";
    }
    EXPECT_TRUE(tried) << result.out;
    ASSERT_EQ(result.events("result").size(), 1U);
    EXPECT_FALSE(result.events("result")[0].at("standby").as_bool());
    EXPECT_TRUE(says(result, {db().name()}));
    EXPECT_EQ(sql().scalar("SELECT count(*) FROM pg_class WHERE relname = 'n'"), "0");
}

TEST_F(lint_command_with_server, what_fails_is_an_error) {
    const run_result result =
        run_pgeist(db().uri(), {"lint", write("m.sql", "ALTER TABLE public.nosuch ADD COLUMN c int;")});
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"will-fail", "nosuch"}));
}

TEST_F(lint_command_with_server, a_small_table_gives_no_alarm) {
    sql().execute("CREATE TABLE public.t (id int PRIMARY KEY, n int); INSERT INTO public.t VALUES (1, 1); ANALYZE");
    const std::string file = write("m.sql", "ALTER TABLE public.t ALTER COLUMN n TYPE bigint;");
    EXPECT_TRUE(exited(run_pgeist(db().uri(), {"lint", file}), 0));
    EXPECT_TRUE(exited(run_pgeist_bare({"lint", file}), 1)) << "without a server nobody knows";
}

class lint_on_a_standby : public database_test {};

TEST_F(lint_on_a_standby, answers_by_its_catalogs_and_says_so) {
    private_server primary(server_major(sql()));
    const test_database there(primary.address());
    there.connect().execute(
        "CREATE TABLE public.t (id int PRIMARY KEY, n int); INSERT INTO public.t SELECT i, i FROM generate_series(1, "
        "500) "
        "AS i; ANALYZE");
    const private_server standby{replica_of{primary}};
    const std::string uri = standby.address().with("dbname", there.name()).uri();
    wait_for("the standby to have the table", [&] {
        sync_connection session(uri);
        return session.scalar("SELECT count(*) FROM pg_stat_user_tables WHERE relname = 't'") == "1";
    });
    const std::string file = testing::TempDir() + "pgeist-lint-standby.sql";
    std::ofstream(file) << "ALTER TABLE public.t ALTER COLUMN n TYPE bigint;";
    const run_result result = run_pgeist(uri, {"lint", "--output", "json", file});
    EXPECT_TRUE(exited(result, 0)) << result.out;
    for (const auto& each : result.events("finding")) {
        EXPECT_EQ(each.at("evidence").as_string(), "catalog");
        EXPECT_FALSE(each.at("blocks_ms").is_null()) << "its sizes are known";
    }
    ASSERT_EQ(result.events("result").size(), 1U);
    EXPECT_TRUE(result.events("result")[0].at("standby").as_bool());
    EXPECT_TRUE(says(run_pgeist(uri, {"lint", file}), {"standby", "nothing tried"}));
    fs::remove(file);
}

}  // namespace
}  // namespace pgeist::test
