// Ignore comments: where they may stand, what they reach, and that nothing about them goes unnoticed.

#include <gtest/gtest.h>

#include "lint_test.hpp"
#include "property.hpp"

namespace pgeist::lint {
namespace {

bool ignored(const std::string& file) { return !test::has(test::checked(file), "ban-drop-table", level::warning); }

TEST(ignores, before_within_and_behind) {
    EXPECT_TRUE(ignored("-- pgeist-ignore ban-drop-table\nDROP TABLE t;"));
    EXPECT_TRUE(ignored("-- pgeist-ignore ban-drop-table\n-- another comment\n\nDROP TABLE t;"));
    EXPECT_TRUE(ignored("DROP TABLE -- pgeist-ignore ban-drop-table\n t;"));
    EXPECT_TRUE(ignored("DROP TABLE\n t; -- pgeist-ignore ban-drop-table"));
    EXPECT_TRUE(ignored("DROP TABLE t /* pgeist-ignore ban-drop-table */;"));
    EXPECT_TRUE(ignored("SELECT 1;\n-- pgeist-ignore ban-drop-table old stuff\nDROP TABLE t;"));
    EXPECT_TRUE(ignored("-- pgeist-ignore: renaming-table, ban-drop-table\nDROP TABLE t;"));
    EXPECT_TRUE(ignored("-- pgeist-ignore\nDROP TABLE t;"));
    EXPECT_TRUE(ignored("-- pgeist-ignore-file ban-drop-table\nSELECT 1;\nDROP TABLE t;"));
    EXPECT_TRUE(ignored("DROP TABLE t;\n-- pgeist-ignore-file ban-drop-table"));
}

TEST(ignores, of_another_statement) {
    EXPECT_FALSE(ignored("SELECT 1; -- pgeist-ignore ban-drop-table\nDROP TABLE t;"));
    EXPECT_FALSE(ignored("DROP TABLE t;\n-- pgeist-ignore ban-drop-table\nSELECT 1;"));
    EXPECT_FALSE(ignored("DROP TABLE t;\n-- pgeist-ignore ban-drop-table"));
    EXPECT_FALSE(ignored("-- pgeist-ignore ban-drop-column\nDROP TABLE t;"));
    EXPECT_FALSE(ignored("-- pgeist-ignored ban-drop-table\nDROP TABLE t;"));
    EXPECT_FALSE(ignored("SELECT '-- pgeist-ignore ban-drop-table'; DROP TABLE t;"));
}

TEST(ignores, unknown_and_unused_ones_are_findings) {
    EXPECT_EQ(test::told(test::checked("-- pgeist-ignore no-such\nSELECT 1;")), "unknown-ignore:warning");
    EXPECT_EQ(test::told(test::checked("-- pgeist-ignore ban-drop-table\nSELECT 1;")), "unused-ignore:warning");
    EXPECT_EQ(test::told(test::checked("-- pgeist-ignore\nSELECT 1;")), "unused-ignore:warning");
    EXPECT_EQ(test::told(test::checked("-- pgeist-ignore-file ban-drop-table\nSELECT 1;")), "unused-ignore:warning");
    EXPECT_EQ(test::told(test::checked("SELECT 1;\n-- pgeist-ignore ban-drop-table")), "unused-ignore:warning");
}

TEST(ignores, keep_their_reason) {
    const report found =
        test::checked("-- pgeist-ignore ban-drop-table, takes-lock nobody uses it, really\nDROP TABLE t;");
    bool seen = false;
    for (const finding& each : found.findings) {
        if (each.rule == "ban-drop-table") {
            seen = true;
            EXPECT_TRUE(each.suppressed);
            EXPECT_EQ(each.reason, "nobody uses it, really");
        }
    }
    EXPECT_TRUE(seen);
}

TEST(ignores, of_squawk_only_when_asked) {
    const std::string file = "-- squawk-ignore ban-drop-table, prefer-text-field\nDROP TABLE t;";
    EXPECT_TRUE(test::has(test::checked(file), "ban-drop-table", level::warning));
    settings options;
    options.foreign_ignores = true;
    EXPECT_FALSE(test::has(test::checked(file, options), "ban-drop-table", level::warning));
    EXPECT_FALSE(test::has(test::checked(file, options), "unknown-ignore", level::warning))
        << "its rules are its own affair";
    EXPECT_FALSE(test::has(test::checked("-- squawk-ignore-file ban-drop-table\nDROP TABLE t;", options),
                           "ban-drop-table", level::warning));
}

class ignoring : public pgeist::test::property {};

/// An ignore takes exactly the findings of its statement away, wherever it stands and whatever stands around it.
TEST_F(ignoring, reaches_one_statement) {
    for (int round = rounds(200); round > 0; --round) {
        const std::int64_t count = pick(1, 6);
        const std::int64_t which = pick(0, count - 1);
        const std::int64_t where = pick(0, 2);
        std::string file;
        for (std::int64_t at = 0; at < count; ++at) {
            const std::string mark =
                "-- pgeist-ignore ban-drop-table" + some_of({" because", " of it", " -- really"}, 2);
            const bool here = at == which;
            file += here && where == 0 ? mark + "\n" : some_of({"-- a comment\n", "\n", "/* ; */ "}, 2);
            file += "DROP TABLE" + (here && where == 1 ? " " + mark + "\n" : std::string(" ")) + "t" +
                    std::to_string(at) + ";";
            file += here && where == 2 ? " " + mark + "\n" : "\n";
        }
        const report found = test::checked(file);
        std::int64_t left = 0;
        for (const finding& each : found.findings) {
            const bool target = each.statement.ends_with("t" + std::to_string(which));
            if (each.rule == "ban-drop-table") {
                EXPECT_EQ(each.suppressed, target) << file;
                left += each.suppressed ? 0 : 1;
            }
        }
        EXPECT_EQ(left, count - 1) << file;
        EXPECT_FALSE(test::has(found, "unused-ignore", level::warning)) << file;
    }
}

}  // namespace
}  // namespace pgeist::lint
