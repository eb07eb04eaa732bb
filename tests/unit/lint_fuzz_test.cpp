// Whatever comes: lint neither crashes nor ends with 0 without having read it.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include <boost/json.hpp>

#include "lint_test.hpp"
#include "property.hpp"

namespace pgeist::lint {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> labelled() {
    std::vector<std::string> texts;
    for (const char* const folder : {"dangerous", "harmless"}) {
        for (const auto& each : fs::directory_iterator(fs::path(PGEIST_SOURCE_DIR) / "tests/lint" / folder)) {
            std::ostringstream text;
            text << std::ifstream(each.path(), std::ios::binary).rdbuf();
            texts.push_back(text.str());
        }
    }
    return texts;
}

/// Every statement of a file must be understood, or be among what is not analysed.
void expect_read(const std::string& file) {
    const report found = test::checked(file);
    source named;
    named.name = "m.sql";
    named.text = file;
    const auto migrations = read({named}, ddl::transaction_mode::automatic);
    std::size_t unread = migrations[0].problem.empty() ? 0 : 1;
    for (const ddl::step& each : migrations[0].steps) {
        const bool harmless_command = each.what.kind == ddl::statement_kind::meta_command && each.what.why.empty();
        unread += (each.what.kind == ddl::statement_kind::not_understood || !each.what.why.empty()) && !harmless_command
                      ? 1
                      : 0;
        if (each.what.kind == ddl::statement_kind::not_understood && !each.what.parse_error.empty()) {
            EXPECT_EQ(exit_code_of(found, fail_on::never), 2) << file;
        }
    }
    EXPECT_GE(found.gaps.size(), unread) << file;
    if (!migrations[0].problem.empty()) {
        EXPECT_EQ(exit_code_of(found, fail_on::never), 2) << file;
    }
    for (const std::string& text : {as_json(found, {}, 0), as_sarif(found, {}, "0"), as_gitlab(found)}) {
        for (std::size_t from = 0; from < text.size();) {
            const std::size_t end = text.find('\n', from);
            boost::system::error_code problem;
            boost::json::parse(text.substr(from, end - from), problem);
            EXPECT_FALSE(problem) << text;
            from = end + 1;
        }
    }
    EXPECT_FALSE(as_text(found, {}, {true, true, true, false}).empty());
    EXPECT_FALSE(as_markdown(found, {}).empty());
}

class fuzzed : public pgeist::test::property {};

TEST_F(fuzzed, labelled_files_with_bytes_changed) {
    const auto texts = labelled();
    for (int round = rounds(150); round > 0; --round) {
        std::string text = one_of(texts);
        for (std::int64_t left = pick(1, 6); left > 0 && !text.empty(); --left) {
            const auto at = static_cast<std::size_t>(pick(0, static_cast<std::int64_t>(text.size()) - 1));
            switch (pick(0, 3)) {
                case 0:
                    text[at] = static_cast<char>(pick(0, 255));
                    break;
                case 1:
                    text.erase(at, static_cast<std::size_t>(pick(1, 20)));
                    break;
                case 2:
                    text.insert(at, one_of({"'", "\"", "$$", "/*", "--", ";", "(", ")", "\\", "\n", "E'", "\xFF",
                                            "BEGIN ATOMIC "}));
                    break;
                default:
                    text.insert(at, one_of(texts));
                    break;
            }
        }
        expect_read(text);
    }
}

TEST_F(fuzzed, words_in_any_order) {
    const std::vector<std::string> words{"ALTER ",
                                         "TABLE ",
                                         "t ",
                                         "ADD ",
                                         "COLUMN ",
                                         "int ",
                                         "NOT ",
                                         "NULL ",
                                         "DEFAULT ",
                                         "CREATE ",
                                         "INDEX ",
                                         "ON ",
                                         "(a) ",
                                         "CONSTRAINT ",
                                         "CHECK ",
                                         "(a>0) ",
                                         "VALID ",
                                         "DROP ",
                                         "CASCADE ",
                                         "DO ",
                                         "$$ ",
                                         "BEGIN ",
                                         "END ",
                                         "EXECUTE ",
                                         "'x' ",
                                         ", ",
                                         "; ",
                                         "VACUUM ",
                                         "ENFORCED ",
                                         "VIRTUAL ",
                                         "GENERATED ALWAYS AS (a) ",
                                         "REPACK ",
                                         "-- pgeist-ignore x\n"};
    for (int round = rounds(400); round > 0; --round) {
        expect_read(some_of(words, 25));
    }
}

}  // namespace
}  // namespace pgeist::lint
