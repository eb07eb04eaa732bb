#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "cli/help.hpp"
#include "cli/invocation.hpp"
#include "pgeist/report/text.hpp"

namespace pgeist::cli {
namespace {

std::optional<std::string> nothing_set(const std::string&) { return std::nullopt; }

/// At the start of its line, and whole: `--undo` is not `--undoes`.
bool is_listed(const std::string& text, const std::string& name) {
    for (const char* before : {", ", "      "}) {
        const std::string wanted = before + name;
        for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1)) {
            const std::size_t end = at + wanted.size();
            if (end == text.size() || text[end] == ' ' || text[end] == '\n') {
                return true;
            }
        }
    }
    return false;
}

TEST(help, of_each_command_lists_each_of_its_options) {
    for (const command_info& info : command_catalog()) {
        const std::string text = help_of(info);
        for (const option_info& option : option_catalog()) {
            const std::string name = "--" + std::string(option.name);
            const bool listed = is_listed(text, name);
            EXPECT_EQ(listed, info.takes(option)) << info.name << " " << name;
        }
    }
}

TEST(help, overview_lists_commands_and_exit_codes) {
    const std::string text = overview();
    for (const command_info& info : command_catalog()) {
        EXPECT_NE(text.find("\n  " + std::string(info.name) + " "), std::string::npos) << info.name;
    }
    for (int code = 0; code <= 9; ++code) {
        EXPECT_NE(text.find("\n  " + std::to_string(code) + "   "), std::string::npos) << code;
    }
}

TEST(help, lines_fit_on_a_page) {
    std::string all = overview();
    for (const command_info& info : command_catalog()) {
        all += help_of(info);
    }
    std::istringstream lines(all);
    for (std::string line; std::getline(lines, line);) {
        EXPECT_LE(report::columns_of(line), 80U) << line;
        EXPECT_FALSE(line.ends_with(' ')) << line;
    }
}

TEST(help, is_asked_for_in_any_place) {
    EXPECT_EQ(parse({"--help"}, nothing_set).text, overview());
    EXPECT_EQ(parse({"run", "--help"}, nothing_set).text, help_of(*find_command("run")));
    EXPECT_EQ(parse({"--help", "cleanup"}, nothing_set).text, help_of(*find_command("cleanup")));
    EXPECT_EQ(parse({"revert", "--help"}, nothing_set).what, command::help);
    EXPECT_EQ(parse({"run", "--version"}, nothing_set).what, command::version);
    EXPECT_TRUE(parse({"--version"}, nothing_set).text.starts_with("pgeist "));
}

TEST(help, finds_what_is_meant) {
    EXPECT_EQ(nearest("cleanpu", {"cancel", "cleanup"}), "cleanup");
    EXPECT_EQ(nearest("staus", {"status", "set"}), "status");
    EXPECT_EQ(nearest("xyzzy", {"status", "set"}), "");
}

}  // namespace
}  // namespace pgeist::cli
