// `pgeist lint` as its users run it. It needs no server.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "support/pgeist_process.hpp"

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
    EXPECT_TRUE(exited(run_pgeist_bare({"lint", "-d", "x", labelled("dangerous/plain_reindex.sql")}), 2));
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

}  // namespace
}  // namespace pgeist::test
