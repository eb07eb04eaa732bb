// What people see in a terminal while a run is at work, at the widths that terminals have.

#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/tmux_screen.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using screen_lines = std::vector<std::string>;

const std::string* line_like(const screen_lines& screen, const std::string& expression) {
    const std::regex wanted(expression);
    for (const std::string& each : screen) {
        if (std::regex_search(each, wanted)) {
            return &each;
        }
    }
    return nullptr;
}

class live_view : public run_test {
protected:
    /// A run of 20,000 rows at 1,000 a second, until it is told to hurry.
    [[nodiscard]] std::vector<std::string> slow_run() {
        return {pgeist_binary().string(),
                "run",
                "-d",
                db().uri(),
                "--table",
                "t",
                "--alter",
                "ALTER COLUMN id TYPE bigint",
                "--method",
                "copy",
                "--chunk-rows",
                "100",
                "--max-rate",
                "1000",
                "--workers",
                "2"};
    }
    void hurry() { EXPECT_TRUE(exited(command("set", {"1", "max-rate=off"}), 0)); }
};

TEST_F(live_view, is_one_line_that_fits) {
    for (const int columns : {80, 200, 40}) {
        sql().execute("DROP TABLE IF EXISTS t");
        make_table(20000);
        tmux_screen terminal(columns, 40, slow_run());
        const std::string figures =
            columns == 40 ? "^copy +[0-9.]+%.*(ETA|waits)" : "^copy +[█▉▊▋▌▍▎▏░]+ +[0-9.]+%.*ETA [0-9]";
        const auto first = terminal.wait_until("the copy to show how far it is", [&](const screen_lines& now) {
            return line_like(now, figures) != nullptr;
        });
        // Drawn anew some times, it is still one line.
        std::string seen = *line_like(first, figures);
        for (int times = 0; times < 3; ++times) {
            const auto next = terminal.wait_until("the line to change", [&](const screen_lines& now) {
                const std::string* line = line_like(now, "^copy ");
                return line != nullptr && *line != seen;
            });
            seen = *line_like(next, "^copy ");
            EXPECT_EQ(beginning_with(next, "copy "), 1) << columns;
            EXPECT_LT(columns_of(seen), columns) << seen;
            EXPECT_EQ(next.back(), seen) << "nothing below it at " << columns;
            EXPECT_NE(line_like(next, "^Job 1: public.t, shadow"), nullptr);
            EXPECT_NE(line_like(next, "^✓ prepare +[0-9]"), nullptr);
            EXPECT_NE(line_like(next, "^✓ capture +[0-9]"), nullptr);
        }
        if (columns == 200) {
            const auto wide = terminal.wait_until("all that there is room for", [&](const screen_lines& now) {
                return line_like(
                           now, "^copy .* of 20,000 rows .*rows/s .*ETA .*2 workers.*chunks of 100 rows.*limited to") !=
                       nullptr;
            });
            EXPECT_EQ(beginning_with(wide, "copy "), 1);
        }
        hurry();
        const auto last = terminal.wait_until(
            "the end", [](const screen_lines& now) { return line_like(now, "old table +kept as") != nullptr; });
        std::vector<std::string> phases;
        for (const std::string& each : last) {
            if (each.starts_with("✓ ")) {
                phases.push_back(each.substr(std::string("✓ ").size(), each.find(' ', 4) - 4));
            }
        }
        EXPECT_EQ(phases, (std::vector<std::string>{"prepare", "capture", "copy", "key", "replay", "build", "replay",
                                                    "verify", "swap", "finish"}));
        EXPECT_EQ(beginning_with(last, "copy "), 0) << "the live line is gone";
        EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    }
}

TEST_F(live_view, of_another_terminal_stays_in_its_place) {
    make_table(20000);
    tmux_screen run(80, 24, slow_run(), {{"LC_ALL", "C"}});
    run.wait_until("the copy, in letters that this terminal has",
                   [](const screen_lines& now) { return line_like(now, "^copy +\\[#+-+\\]") != nullptr; });
    const std::vector<std::string> watch{pgeist_binary().string(), "status", "-d", db().uri(), "1", "--watch"};
    tmux_screen wide(120, 40, watch);
    tmux_screen low(60, 8, watch);  // fewer lines than there are facts
    for (const tmux_screen* each : {&wide, &low}) {
        const auto first = each->wait_until("the facts", [](const screen_lines& now) {
            return beginning_with(now, "job ") == 1 && beginning_with(now, "progress ") == 1;
        });
        const std::string seen = *line_like(first, "^progress ");
        const auto later = each->wait_until("more progress", [&](const screen_lines& now) {
            const std::string* line = line_like(now, "^progress ");
            return line != nullptr && *line != seen;
        });
        EXPECT_EQ(beginning_with(later, "job "), 1) << "it is written over, not below";
        EXPECT_EQ(beginning_with(later, "progress "), 1);
        EXPECT_EQ(later.front(), first.front());
    }
    EXPECT_TRUE(exited(command("pause", {"1"}), 0));
    wide.wait_until("the pause", [](const screen_lines& now) { return line_like(now, "^state +paused") != nullptr; });
    EXPECT_TRUE(exited(command("continue", {"1"}), 0));
    hurry();
    wide.wait_until("the end", [](const screen_lines& now) { return line_like(now, "^state +done") != nullptr; });
    run.wait_until("the end", [](const screen_lines& now) { return line_like(now, "old table +kept as") != nullptr; });
}

}  // namespace
}  // namespace pgeist::test
