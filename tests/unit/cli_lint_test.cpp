// The command line of `pgeist lint`.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cli/invocation.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::cli {
namespace {

namespace fs = std::filesystem;

invocation parsed(const std::vector<std::string>& arguments) {
    return parse(arguments, [](const std::string&) { return std::optional<std::string>(); });
}

std::string complaint(const std::vector<std::string>& arguments) {
    try {
        static_cast<void>(parsed(arguments));
    } catch (const usage_error& problem) {
        return problem.what();
    }
    return "";
}

TEST(lint_command_line, is_understood) {
    const invocation made = parsed({"lint", "--server", "14.2", "--transaction", "statement", "--fail-on", "never",
                                    "--output", "sarif", "--max-block", "2s", "--foreign-ignores", "a.sql", "b"});
    EXPECT_EQ(made.what, command::lint);
    EXPECT_EQ(made.lint.paths, (std::vector<std::string>{"a.sql", "b"}));
    EXPECT_EQ(made.lint.settings.server.major, 14);
    EXPECT_EQ(made.lint.settings.server.minor, 2);
    EXPECT_EQ(made.lint.settings.max_block.count(), 2000);
    EXPECT_TRUE(made.lint.settings.foreign_ignores);
    EXPECT_EQ(made.lint.transaction, ddl::transaction_mode::statement);
    EXPECT_EQ(made.lint.limit, lint::fail_on::never);
    EXPECT_EQ(made.lint.format, lint_format::sarif);
    EXPECT_EQ(parsed({"lint", "-"}).lint.settings.server.major, 15);
    EXPECT_FALSE(parsed({"lint", "-"}).lint.connected);
    EXPECT_TRUE(parsed({"lint", "-d", "shop", "a.sql"}).lint.connected);
    EXPECT_TRUE(parsed({"lint", "-h", "db1", "a.sql"}).lint.connected);
    EXPECT_TRUE(parsed({"lint", "--rules"}).lint.rules);
    EXPECT_EQ(parsed({"lint", "--explain", "will-fail"}).lint.explain, "will-fail");
}

TEST(lint_command_line, is_refused) {
    EXPECT_NE(complaint({"lint"}).find("needs a file"), std::string::npos);
    EXPECT_NE(complaint({"lint", "--server", "13", "a"}).find("13"), std::string::npos);
    EXPECT_NE(complaint({"lint", "--server", "15x", "a"}).find("15x"), std::string::npos);
    EXPECT_NE(complaint({"lint", "--output", "xml", "a"}).find("xml"), std::string::npos);
    EXPECT_NE(complaint({"lint", "--fail-on", "x", "a"}).find("fail-on"), std::string::npos);
    EXPECT_NE(complaint({"lint", "--transaction", "x", "a"}).find("transaction"), std::string::npos);
    EXPECT_NE(complaint({"lint", "--explain", "wil-fail"}).find("no rule"), std::string::npos);
    EXPECT_NE(complaint({"lint", "-d", "x", "--server", "16", "a.sql"}).find("says its version"), std::string::npos);
    EXPECT_NE(complaint({"lint", "--workers", "2", "a.sql"}).find("no option"), std::string::npos);
}

class lint_files : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (fs::temp_directory_path() / "pgeist-lint-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { fs::remove_all(folder_); }

    void write(const std::string& name, const std::string& text) {
        fs::create_directories((folder_ / name).parent_path());
        std::ofstream(folder_ / name) << text;
    }

    [[nodiscard]] std::vector<std::string> names(const std::vector<lint::source>& files) const {
        std::vector<std::string> all;
        for (const lint::source& each : files) {
            all.push_back(fs::path(each.name).lexically_relative(folder_).string());
        }
        return all;
    }

    fs::path folder_;
};

TEST_F(lint_files, of_a_directory_in_their_natural_order) {
    write("V10__c.sql", "SELECT 1;");
    write("V2__b.sql", "SELECT 1;");
    write("V2__b.sql.conf", "executeInTransaction=false");
    write("deep/V1__a.sql", "SELECT 1;");
    write("V3__x.down.sql", "SELECT 1;");
    write("U2__b.sql", "SELECT 1;");
    write("notes.txt", "no SQL");
    const auto files = read_sources({folder_.string()});
    EXPECT_EQ(names(files), (std::vector<std::string>{"V2__b.sql", "V10__c.sql", "deep/V1__a.sql"}));
    EXPECT_TRUE(files[0].begins_simulation);
    EXPECT_FALSE(files[1].begins_simulation);
    EXPECT_FALSE(files[0].named);
    EXPECT_EQ(files[0].script_config, "executeInTransaction=false");
}

TEST_F(lint_files, that_are_named) {
    write("V3__x.down.sql", "SELECT 1;");
    const auto files = read_sources({(folder_ / "V3__x.down.sql").string(), (folder_ / "gone.sql").string()});
    ASSERT_EQ(files.size(), 2U);
    EXPECT_TRUE(files[0].named);
    EXPECT_TRUE(files[0].problem.empty());
    EXPECT_FALSE(files[1].problem.empty());
    EXPECT_FALSE(read_sources({folder_.string()})[0].problem.empty()) << "nothing to look at is not success";
}

}  // namespace
}  // namespace pgeist::cli
