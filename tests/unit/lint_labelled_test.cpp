// The labelled migrations of tests/lint: every danger is found, nothing harmless is called an error.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "lint_test.hpp"

namespace pgeist::lint {
namespace {

namespace fs = std::filesystem;

std::string content(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

std::vector<fs::path> files_in(const char* folder) {
    std::vector<fs::path> paths;
    for (const auto& each : fs::directory_iterator(fs::path(PGEIST_SOURCE_DIR) / "tests/lint" / folder)) {
        paths.push_back(each.path());
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

TEST(labelled, every_danger_is_found) {
    const auto paths = files_in("dangerous");
    EXPECT_GE(paths.size(), 40U);
    for (const fs::path& path : paths) {
        const std::string text = content(path);
        std::istringstream label(text.substr(std::string("-- finds: ").size(), 200));
        std::string rule;
        std::string how_bad;
        label >> rule >> how_bad;
        const report found = test::checked(text, {}, path.filename().string());
        EXPECT_TRUE(test::has(found, rule, how_bad == "error" ? level::error : level::warning))
            << path << "\n"
            << as_text(found, {}, {false, true, true, false});
    }
}

TEST(labelled, nothing_harmless_is_called_an_error) {
    const auto paths = files_in("harmless");
    EXPECT_GE(paths.size(), 30U);
    for (const fs::path& path : paths) {
        const report found = test::checked(content(path), {}, path.filename().string());
        EXPECT_EQ(found.count(level::error), 0U) << path << "\n" << as_text(found, {}, {false, true, true, false});
        EXPECT_TRUE(found.gaps.empty()) << path << "\n" << found.gaps.front().why;
    }
}

}  // namespace
}  // namespace pgeist::lint
