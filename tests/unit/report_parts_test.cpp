#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <thread>

#include <fcntl.h>
#include <unistd.h>

#include "pgeist/report/json/json_line.hpp"
#include "pgeist/report/lock_wait_view.hpp"
#include "pgeist/report/outcome_text.hpp"
#include "pgeist/report/phase_times.hpp"
#include "pgeist/report/rate_meter.hpp"
#include "pgeist/report/sink.hpp"
#include "pgeist/report/terminal/bar.hpp"
#include "pgeist/report/terminal/live_line.hpp"
#include "pgeist/report/terminal/summary.hpp"
#include "pgeist/report/text.hpp"
#include "report_test.hpp"

namespace pgeist::report {
namespace {

using namespace std::chrono_literals;
using time_point = std::chrono::steady_clock::time_point;

const time_point start{1000s};

TEST(rate_meter, needs_some_time_before_it_knows) {
    rate_meter meter;
    EXPECT_EQ(meter.rows_per_second(), std::nullopt);
    meter.add(start, 0);
    meter.add(start + 100ms, 50);
    EXPECT_EQ(meter.rows_per_second(), std::nullopt);
    meter.add(start + 1s, 500);
    EXPECT_EQ(meter.rows_per_second(), 500);
}

TEST(rate_meter, forgets_what_is_older_than_its_window) {
    rate_meter meter(10s);
    for (int second = 0; second <= 60; ++second) {
        meter.add(start + std::chrono::seconds(second), second <= 30 ? second * 1000 : 30'000 + (second - 30) * 10);
    }
    EXPECT_NEAR(meter.rows_per_second().value_or(0), 10, 0.1);
    EXPECT_NEAR(meter.eta_seconds(30'400).value_or(0), 10, 0.2);
}

TEST(rate_meter, counts_from_where_a_resumed_run_begins) {
    rate_meter meter;
    meter.add(start, 1'000'000);
    meter.add(start + 2s, 1'000'200);
    EXPECT_EQ(meter.rows_per_second(), 100);
}

TEST(rate_meter, begins_anew_when_the_copy_does) {
    rate_meter meter;
    meter.add(start, 0);
    meter.add(start + 5s, 5000);
    meter.add(start + 6s, 10);
    EXPECT_EQ(meter.rows_per_second(), std::nullopt);
}

TEST(rate_meter, has_no_eta_when_nothing_moves) {
    rate_meter meter;
    meter.add(start, 10);
    meter.add(start + 5s, 10);
    EXPECT_EQ(meter.rows_per_second(), 0);
    EXPECT_EQ(meter.eta_seconds(100), std::nullopt);
    meter.add(start + 6s, 70);
    EXPECT_EQ(meter.eta_seconds(0), std::nullopt) << "nor when the total is unknown";
    EXPECT_EQ(meter.eta_seconds(50), 0) << "an estimate that was too low";
}

TEST(rate_meter, keeps_few_samples_however_often_it_is_told) {
    rate_meter meter(10s);
    for (int step = 0; step < 100'000; ++step) {
        meter.add(start + std::chrono::milliseconds(step), step);
    }
    EXPECT_NEAR(meter.rows_per_second().value_or(0), 1000, 10);
}

TEST(percent, is_unknown_without_a_total_and_never_above_100) {
    EXPECT_EQ(percent_of(5, 0), std::nullopt);
    EXPECT_EQ(percent_of(5, 10), 50);
    EXPECT_EQ(percent_of(15, 10), 100);
}

TEST(phase_times, add_up_what_comes_twice) {
    phase_times times;
    EXPECT_EQ(times.current(), "");
    times.start("copy", start);
    EXPECT_EQ(times.current_time(start + 300ms), 300ms);
    times.start("replay", start + 1s);
    times.start("build", start + 3s);
    times.start("replay", start + 4s);
    times.stop(start + 5s);
    times.stop(start + 9s);
    ASSERT_EQ(times.entries().size(), 3U);
    EXPECT_EQ(times.entries()[0].time, 1s);
    EXPECT_EQ(times.entries()[1].name, "replay");
    EXPECT_EQ(times.entries()[1].time, 3s);
    EXPECT_FALSE(times.running());
}

TEST(bar, has_the_width_asked_for) {
    for (const bool utf8 : {true, false}) {
        for (int width = 0; width < 40; ++width) {
            for (double percent = -10; percent <= 110; percent += 3.7) {
                EXPECT_EQ(columns_of(render_bar(percent, width, utf8)), static_cast<std::size_t>(width)) << percent;
            }
        }
    }
    EXPECT_EQ(render_bar(50, 10, false), "[####----]");
    EXPECT_EQ(render_bar(0, 4, true), "░░░░");
    EXPECT_EQ(render_bar(100, 4, true), "████");
    EXPECT_EQ(render_bar(37.5, 4, true), "█▌░░");
}

TEST(text, from_a_server_cannot_steer_the_terminal) {
    EXPECT_EQ(one_line("a\x1b[31mb\r\n\tc\x7f"), "a [31mb   c ");
    EXPECT_EQ(harmless("a\n\tb\r"), "a\n\tb ");
    EXPECT_EQ(one_line("\xc2\x9b"
                       "31m"),
              "??31m")
        << "C1 control characters";
    EXPECT_EQ(one_line("größe → ok"), "größe → ok");
    EXPECT_EQ(one_line("gr\xf6\xdf"
                       "e"),
              "gr??e")
        << "Latin-1";
    EXPECT_EQ(one_line("\xe2\x82"), "??") << "cut off";
    EXPECT_EQ(one_line("\xed\xa0\x80\xc0\xaf\xf5"), "??????") << "surrogate, overlong, too large";
}

TEST(text, is_cut_and_padded_by_columns) {
    EXPECT_EQ(shortened("größere", 7, true), "größere");
    EXPECT_EQ(shortened("größere", 4, true), "grö…");
    EXPECT_EQ(shortened("abcdefgh", 6, false), "abc...");
    EXPECT_EQ(columns_of(shortened("abcdefgh", 2, false)), 0U);
    EXPECT_EQ(padded("ü", 3), "ü  ");
    EXPECT_EQ(padded_left("ü", 3), "  ü");
    EXPECT_EQ(padded("long", 2), "long");
    EXPECT_EQ(to_ascii("integer → bigint, größe…"), "integer -> bigint, gr??e...");
}

TEST(text, of_a_time_is_rfc_3339) {
    const std::chrono::system_clock::time_point time{1'700'000'000s + 7ms};
    EXPECT_EQ(timestamp(time), "2023-11-14T22:13:20.007Z");
    EXPECT_EQ(time_of_day(time).size(), 8U);
}

TEST(json_line, writes_numbers_plainly_and_strings_safely) {
    json_line line;
    line.text("a", "x\"y\\z\n").integer("b", -5).number("c", 61.25, 1).number("d", std::nullopt, 1).boolean("e", true);
    line.text("f", std::optional<std::string>())
        .integer("g", std::optional<std::int64_t>())
        .raw("h", "[1]")
        .text("i", "\xff");
    EXPECT_EQ(line.str(), R"({"a":"x\"y\\z\n","b":-5,"c":61.2,"d":null,"e":true,"f":null,"g":null,"h":[1],"i":"?"})");
    EXPECT_EQ(json_line().str(), "{}");
}

blocker who(int pid, const std::string& query) {
    blocker one;
    one.pid = pid;
    one.user = "batch";
    one.application = "night job";
    one.state = "idle in transaction";
    one.age = 185s;
    one.query = query;
    return one;
}

TEST(lock_wait_view, names_the_blocker) {
    EXPECT_EQ(describe(who(7, "UPDATE\nt"), false),
              "pid 7 (batch, night job, idle in transaction for 3m05s): UPDATE t");
    EXPECT_LT(describe(who(7, std::string(1000, 'x')), false).size(), 150U);
    EXPECT_GT(describe(who(7, std::string(1000, 'x')), true).size(), 1000U);
    EXPECT_EQ(describe(std::vector<blocker>(), false), "unknown sessions");
}

TEST(lock_wait_filter, passes_what_is_new) {
    lock_wait_filter filter;
    EXPECT_TRUE(filter.worth_a_line({}, start));
    EXPECT_FALSE(filter.worth_a_line({}, start + 1s));
    EXPECT_TRUE(filter.worth_a_line({who(1, ""), who(2, "")}, start + 1s));
    EXPECT_FALSE(filter.worth_a_line({who(2, ""), who(1, "")}, start + 2s)) << "the same in another order";
    EXPECT_TRUE(filter.worth_a_line({who(2, "")}, start + 2s));
    EXPECT_TRUE(filter.worth_a_line({who(2, "")}, start + 8s)) << "a sign of life every few seconds";
}

live_view copying() {
    live_view view;
    view.at = phase_named("copy", "");
    view.now.rows_done = 1'234'567;
    view.now.rows_total = 2'000'000;
    view.now.log_pending = 345;
    view.now.detail = "chunk of 12,000 rows in 480ms";
    view.rows_per_second = 312'000;
    view.eta_seconds = 2.5;
    view.elapsed = 4s;
    return view;
}

TEST(live_line, tells_everything_when_there_is_room) {
    const std::string line = live_line(copying(), 200, true);
    for (const char* part : {"copy", "█", "61.7%", "1,234,567 of 2,000,000 rows", "312,000 rows/s", "ETA 2.5s",
                             "log 345", "chunk of 12,000 rows in 480ms"}) {
        EXPECT_NE(line.find(part), std::string::npos) << part << " in " << line;
    }
}

TEST(live_line, never_takes_more_columns_than_there_are) {
    live_view view = copying();
    for (const bool utf8 : {true, false}) {
        for (int columns = 0; columns < 220; ++columns) {
            view.waits_for = columns % 2 == 0
                                 ? std::optional<std::string>("replica größe is 1.2 GB behind (limit 64 MB)")
                                 : std::nullopt;
            const std::string line = live_line(view, columns, utf8);
            EXPECT_LE(columns_of(line), static_cast<std::size_t>(columns));
            EXPECT_TRUE(utf8 || line == to_ascii(line)) << line;
        }
    }
}

TEST(live_line, keeps_what_matters_most_when_space_is_short) {
    live_view view = copying();
    view.waits_for = "lock, attempt 3, pid 4711 (batch)";
    const std::string line = live_line(view, 70, true);
    EXPECT_NE(line.find("61.7%"), std::string::npos) << line;
    EXPECT_NE(line.find("waits: lock, attempt 3"), std::string::npos) << line;
    EXPECT_EQ(line.find("chunk of"), std::string::npos) << line;
    EXPECT_NE(live_line(copying(), 60, true).find("ETA"), std::string::npos);
}

TEST(live_line, of_unknown_length_shows_the_time_instead_of_a_bar) {
    live_view view;
    view.at = phase_named("build", "");
    view.elapsed = 65s;
    view.now.detail = "building orders_pkey";
    EXPECT_EQ(live_line(view, 80, true), "build     1m05s  building orders_pkey");
    EXPECT_EQ(plain_line(view), "build: for 1m05s, building orders_pkey");
}

TEST(plain_line, is_made_of_words) {
    live_view view = copying();
    view.waits_for = "lag of replica r1 unknown";
    EXPECT_EQ(
        plain_line(view),
        "copy: 61.7%, 1,234,567 of 2,000,000 rows, 312,000 rows/s, ETA 2.5s, log 345, chunk of 12,000 rows in 480ms, "
        "waits: lag of replica r1 unknown");
}

run_facts facts_of_a_run() {
    run_facts facts;
    facts.job = 3;
    facts.table = "public.orders";
    facts.rows_copied = 5'000'000;
    facts.elapsed = 65s;
    facts.phases.start("copy", start);
    facts.phases.start("replay", start + 3700ms);
    facts.phases.stop(start + 4700ms);
    facts.verified = verification{312, 5'000'001, 0, 0};
    facts.swapped = swap_outcome{false, 3, false, 8ms, 8.42, "pgeist_3.orders"};
    return facts;
}

TEST(summary, tells_what_was_done) {
    EXPECT_EQ(summary(facts_of_a_run()),
              "Done in 1m05s: public.orders, job 3\n"
              "  rows          5,000,000 copied\n"
              "  phases        copy 3.7s, replay 1.0s\n"
              "  verification  312 chunks, 5,000,001 rows, no differences\n"
              "  swap          at attempt 3, table locked for 8.4 ms\n"
              "  old table     kept as pgeist_3.orders; remove it with `pgeist cleanup 3`\n");
}

TEST(summary, tells_what_was_not) {
    run_facts facts = facts_of_a_run();
    facts.verified.reset();
    facts.swapped->old_table = "";
    EXPECT_NE(summary(facts).find("verification  off"), std::string::npos);
    EXPECT_NE(summary(facts).find("old table     dropped"), std::string::npos);
    facts.verified = verification{1, 1, 0, 2};
    EXPECT_NE(summary(facts).find("1 chunk, 1 row, no differences (2 repaired"), std::string::npos);
    facts.verified->rows_after = 3;
    EXPECT_NE(summary(facts).find("; 3 rows have been written since, and another value given by who wrote"),
              std::string::npos);
}

TEST(outcome_text, puts_the_jobs_number_into_hints) {
    EXPECT_EQ(with_job_number("raise it; then go on with: pgeist resume JOB", 7),
              "raise it; then go on with: pgeist resume 7");
    EXPECT_EQ(with_job_number("remove this job with: pgeist cleanup, and run again", 7),
              "remove this job with: pgeist cleanup 7, and run again");
    EXPECT_EQ(with_job_number("pgeist resume JOB or `pgeist cleanup JOB`", 12),
              "pgeist resume 12 or `pgeist cleanup 12`");
    for (const char* as_it_is : {"", "pgeist resume 3", "pgeist cleanup --all", "list the jobs with: pgeist status"}) {
        EXPECT_EQ(with_job_number(as_it_is, 7), as_it_is);
    }
    EXPECT_EQ(with_job_number("pgeist resume JOB", std::nullopt), "pgeist resume JOB");
    EXPECT_EQ(with_job_number("or stop it: pgeist cancel JOB", 7), "or stop it: pgeist cancel 7");
    EXPECT_EQ(with_job_number("go on with: pgeist resume JOB, or pgeist cleanup JOB", 7, "revert"),
              "go on with: pgeist revert 7, or pgeist cleanup 7");
    EXPECT_EQ(with_job_number("`pgeist resume 7` or pgeist resume 71", 7, "revert"),
              "`pgeist revert 7` or pgeist resume 71");
}

TEST(outcome_text, names_the_next_action) {
    for (int code = 0; code <= 9; ++code) {
        EXPECT_NE(meaning(static_cast<exit_code>(code)), "unknown") << code;
    }
    EXPECT_NE(next_action(exit_code::lock_not_obtained, 7).find("pgeist resume 7"), std::string::npos);
    EXPECT_NE(next_action(exit_code::failed, 7).find("pgeist cleanup 7"), std::string::npos);
    EXPECT_EQ(next_action(exit_code::failed, std::nullopt), "");
    EXPECT_EQ(next_action(exit_code::done, 7), "");
}

class fd_sink_test : public ::testing::Test {
protected:
    void SetUp() override { ASSERT_EQ(::pipe(ends), 0); }
    void TearDown() override { close_both(); }
    void close_both() {
        for (int& end : ends) {
            if (end >= 0) {
                ::close(std::exchange(end, -1));
            }
        }
    }
    std::string read_some() {
        std::string text(1 << 20, '\0');
        const auto got = ::read(ends[0], text.data(), text.size());
        text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
        return text;
    }
    int ends[2] = {-1, -1};
};

TEST_F(fd_sink_test, writes_at_once) {
    fd_sink sink(ends[1]);
    sink.write("hello\n");
    EXPECT_EQ(read_some(), "hello\n");
}

TEST_F(fd_sink_test, does_not_wait_for_a_slow_reader_and_loses_nothing_that_is_needed) {
    const std::string line(999, 'x');
    std::string got;
    std::thread reader;
    {
        fd_sink sink(ends[1]);
        for (int i = 0; i < 1000; ++i) {
            sink.write(line + "\n", importance::needed);
        }
        for (int i = 0; i < 1000; ++i) {
            sink.write("progress\n", importance::droppable);
        }
        sink.write("result\n");
        reader = std::thread([&] {
            while (!got.ends_with("result\n")) {
                got += read_some();
            }
        });
    }
    reader.join();
    EXPECT_EQ(std::count(got.begin(), got.end(), '\n'), 1001);
    EXPECT_EQ(got.find("progress"), std::string::npos);
}

TEST_F(fd_sink_test, does_not_mind_that_nobody_reads_any_more) {
    const auto before = std::signal(SIGPIPE, SIG_IGN);
    {
        fd_sink sink(ends[1]);
        ::close(std::exchange(ends[0], -1));
        sink.write("a\n");
        sink.write("b\n");
    }
    std::signal(SIGPIPE, before);
}

}  // namespace
}  // namespace pgeist::report
