#include <boost/json.hpp>

#include <memory>

#include "cli/make_observer.hpp"
#include "pgeist/report/fan_out.hpp"
#include "pgeist/report/json/json_observer.hpp"
#include "pgeist/report/terminal/plain_observer.hpp"
#include "pgeist/report/terminal/tty_observer.hpp"
#include "report_test.hpp"

namespace pgeist::report {
namespace {

using namespace std::chrono_literals;

progress at(std::int64_t done, std::int64_t total) {
    progress now;
    now.rows_done = done;
    now.rows_total = total;
    return now;
}

blocker holder() {
    blocker one;
    one.pid = 4711;
    one.user = "batch";
    one.state = "active";
    one.query = "SELECT \"x\"\nFROM t";
    return one;
}

/// A run from the beginning to the end, as the runner tells it.
void tell_a_run(observer& to, const std::function<void(std::chrono::milliseconds)>& later) {
    to.job_started(3, "public.t", "copy");
    to.phase_started(phase_named("copy", "ACCESS SHARE"));
    for (int step = 0; step <= 100; ++step) {
        to.progressed(at(step * 20, 2000));
        later(100ms);
    }
    to.phase_started(phase_named("verify", "ACCESS SHARE"));
    to.verified(verification{4, 2000, 0, 0});
    to.phase_started(phase_named("swap", "ACCESS EXCLUSIVE"));
    to.lock_waited(1, 200ms, {holder()});
    to.swapped(swap_outcome{false, 2, false, 8ms, 8.5, "pgeist_3.t"});
    to.finished(outcome());
}

class json : public report_test {
protected:
    std::vector<boost::json::object> events(const std::string& kind = {}) const {
        std::vector<boost::json::object> found;
        for (const std::string& line : out.lines()) {
            auto event = boost::json::parse(line).as_object();
            if (kind.empty() || event.at("event").as_string() == kind) {
                found.push_back(std::move(event));
            }
        }
        return found;
    }
};

TEST_F(json, is_one_object_a_line_with_time_job_and_event) {
    json_observer to(out, by_hand());
    tell_a_run(to, [&](auto time) { later(time); });
    EXPECT_TRUE(out.all.ends_with("}\n"));
    for (const auto& event : events()) {
        EXPECT_EQ(event.begin()->key(), "time");
        EXPECT_EQ(event.at("job").as_int64(), 3);
    }
    EXPECT_EQ(events().front().at("time").as_string(), "2023-11-14T22:13:20.000Z");
    EXPECT_EQ(events("job").front().at("table").as_string(), "public.t");
    EXPECT_EQ(events("phase").size(), 3U);
    EXPECT_EQ(events("verify").front().at("rows").as_int64(), 2000);
    EXPECT_EQ(events("swap").front().at("attempts").as_int64(), 2);
    EXPECT_EQ(events("swap").front().at("lock_held_ms").as_double(), 8.5);
    const auto wait = events("lock_wait").front();
    EXPECT_EQ(wait.at("waited_ms").as_int64(), 200);
    EXPECT_EQ(wait.at("blockers").at(0).at("pid").as_int64(), 4711);
    EXPECT_EQ(wait.at("blockers").at(0).at("query").as_string(), "SELECT \"x\"\nFROM t");
    const auto result = events().back();
    EXPECT_EQ(result.at("event").as_string(), "result");
    EXPECT_EQ(result.at("exit_code").as_int64(), 0);
    EXPECT_NE(result.at("message").as_string(), "");
    EXPECT_EQ(result.at("elapsed_ms").as_int64(), 10'100);
}

TEST_F(json, progress_comes_once_a_second_and_at_the_end_of_the_phase) {
    json_observer to(out, by_hand());
    tell_a_run(to, [&](auto time) { later(time); });
    const auto all = events("progress");
    EXPECT_EQ(all.size(), 11U);
    const auto last = all.back();
    EXPECT_EQ(last.at("phase").as_string(), "copy");
    EXPECT_EQ(last.at("rows_done").as_int64(), 2000);
    EXPECT_EQ(last.at("percent").as_double(), 100);
    EXPECT_EQ(last.at("rows_per_second").as_int64(), 200);
    EXPECT_EQ(last.at("eta_seconds").as_double(), 0);
}

TEST_F(json, what_is_held_back_comes_before_the_next_phase) {
    json_observer to(out, by_hand());
    to.phase_started(phase_named("copy", ""));
    to.progressed(at(1, 10));
    later(10ms);
    to.progressed(at(10, 10));
    to.phase_started(phase_named("key", ""));
    const auto all = events();
    ASSERT_EQ(all.size(), 4U);
    EXPECT_EQ(all[2].at("phase").as_string(), "copy");
    EXPECT_EQ(all[2].at("rows_done").as_int64(), 10);
    EXPECT_EQ(all[3].at("name").as_string(), "key");
    EXPECT_TRUE(all[3].at("job").is_null());
}

TEST_F(json, tells_whose_it_is_of_jobs_side_by_side_and_of_steps) {
    json_observer to(out, by_hand());
    to.job_started(3, "", "file");
    for (const std::int64_t job : {4, 5}) {
        to.concerns(job);
        to.job_started(job, "public.t", "shadow");
        to.phase_started(phase_named(job == 4 ? "copy" : "verify", "ACCESS SHARE"));
        to.progressed(at(job, 10));
        to.message(level::info, "17 rows were deleted");
    }
    to.concerns(3);
    to.finished(outcome());
    EXPECT_EQ(events("job").at(0).at("id").as_int64(), 3);
    EXPECT_EQ(events("job").at(2).at("job").as_int64(), 5);
    const auto progress = events("progress");
    ASSERT_EQ(progress.size(), 2U) << "once a second each";
    EXPECT_EQ(progress[0].at("job").as_int64(), 4);
    EXPECT_EQ(progress[0].at("phase").as_string(), "copy");
    EXPECT_EQ(progress[1].at("job").as_int64(), 5);
    EXPECT_EQ(progress[1].at("phase").as_string(), "verify");
    EXPECT_EQ(events("result").front().at("job").as_int64(), 3);
    EXPECT_EQ(events("result").front().at("message").as_string().find("17 rows"), std::string::npos);
}

TEST_F(json, what_is_unknown_is_null) {
    json_observer to(out, by_hand());
    progress now;
    now.log_pending = -1;
    to.progressed(now);
    const auto event = events().front();
    for (const char* name : {"rows_total", "percent", "rows_per_second", "eta_seconds", "log_pending", "throttled"}) {
        EXPECT_TRUE(event.at(name).is_null()) << name;
    }
}

TEST_F(json, a_failure_has_message_and_hint) {
    json_observer to(out, by_hand());
    to.job_started(9, "t", "");
    to.message(level::warning, "careful");
    to.finished(outcome{exit_code::lock_not_obtained, "no lock", ""});
    EXPECT_EQ(events("message").front().at("level").as_string(), "warning");
    EXPECT_EQ(events().back().at("exit_code").as_int64(), 4);
    EXPECT_EQ(events().back().at("message").as_string(), "no lock");
    EXPECT_NE(events().back().at("hint").as_string().find("pgeist resume 9"), std::string::npos);
}

class plain : public report_test {};

TEST_F(plain, tells_phases_and_progress_every_few_seconds) {
    plain_observer to(out, err, terminal(), verbosity(), by_hand(), true);
    tell_a_run(to, [&](auto time) { later(time); });
    EXPECT_EQ(out.all.find('\x1b'), std::string::npos);
    EXPECT_EQ(out.all.find('\r'), std::string::npos);
    int progress_lines = 0;
    for (const std::string& line : out.lines()) {
        progress_lines += line.find("  copy: ") == 8 && line.find("%,") != std::string::npos ? 1 : 0;
    }
    EXPECT_EQ(progress_lines, 2);
    EXPECT_TRUE(out.has("job 3: public.t, copy"));
    EXPECT_TRUE(out.has("copy: begins\n"));
    EXPECT_TRUE(out.has("copy: done in 10.1s, 2,000 rows, 198 rows/s"));
    EXPECT_TRUE(
        out.has("swap: waited 200ms for a lock, attempt 1: pid 4711 (batch, active for 0ms): SELECT \"x\" FROM t"));
    EXPECT_TRUE(out.has("Done in 10.1s: public.t, job 3"));
    EXPECT_TRUE(out.has("old table     kept as pgeist_3.t"));
    EXPECT_EQ(err.all, "");
}

TEST_F(plain, says_at_once_that_it_waits_and_that_it_goes_on) {
    plain_observer to(out, err, terminal(), verbosity(), by_hand(), true);
    to.phase_started(phase_named("copy", ""));
    progress now = at(5, 10);
    now.throttled = "replica r1 is 2 GB behind";
    out.taken();
    to.progressed(now);
    EXPECT_TRUE(out.has("waits: replica r1 is 2 GB behind"));
    out.taken();
    to.progressed(now);
    EXPECT_EQ(out.all, "");
    now.throttled.reset();
    to.progressed(now);
    EXPECT_TRUE(out.has("copy: 50.0%"));
}

TEST_F(plain, without_progress_leaves_out_only_that) {
    plain_observer to(out, err, terminal(), verbosity(), by_hand(), false);
    tell_a_run(to, [&](auto time) { later(time); });
    EXPECT_FALSE(out.has("ETA"));
    EXPECT_TRUE(out.has("copy: done in"));
}

TEST_F(plain, verbose_tells_the_locks) {
    verbosity much;
    much.verbose = true;
    plain_observer to(out, err, terminal(), much, by_hand(), true);
    to.phase_started(phase_named("swap", "ACCESS EXCLUSIVE"));
    EXPECT_TRUE(out.has("swap: begins (lock: ACCESS EXCLUSIVE)"));
}

TEST_F(plain, is_told_of_a_step_as_of_the_job_and_of_others_beside_it_in_a_word) {
    fan_out to;
    to.add(std::make_unique<plain_observer>(out, err, terminal(), verbosity(), by_hand(), true));
    to.job_started(3, "", "file");
    to.steps_in(4);
    to.concerns(4);
    to.job_started(4, "public.t", "shadow");
    to.phase_started(phase_named("copy", "ACCESS SHARE"));
    to.concerns(5);
    to.job_started(5, "public.u", "shadow");
    to.phase_started(phase_named("verify", "ACCESS SHARE"));
    to.message(level::warning, "look");
    EXPECT_NE(out.all.find("copy"), std::string::npos);
    EXPECT_EQ(out.all.find("verify"), std::string::npos);
    EXPECT_NE((out.all + err.all).find("job 5 (public.u): look"), std::string::npos);
}

TEST_F(plain, warnings_and_failures_go_to_the_error_output) {
    plain_observer to(out, err, terminal(), verbosity(), by_hand(), true);
    to.job_started(3, "t", "");
    out.taken();
    to.message(level::warning, "be\x1b careful");
    to.finished(outcome{exit_code::failed, "it broke", "mend it"});
    EXPECT_EQ(out.all, "");
    EXPECT_EQ(err.all, "pgeist: warning: be  careful\npgeist: it broke\nhint: mend it\n");
}

class tty : public report_test {
protected:
    tty() {
        screen.is_tty = true;
        screen.width = [this] { return width; };
    }
    int width = 80;
    terminal screen;
};

TEST_F(tty, rewrites_one_line_and_leaves_one_for_each_phase) {
    tty_observer to(out, err, screen, verbosity(), by_hand());
    tell_a_run(to, [&](auto time) { later(time); });
    std::vector<std::string> finished;
    for (const std::string& line : out.lines()) {
        finished.push_back(line.substr(line.rfind("\x1b[K") == std::string::npos ? 0 : line.rfind("\x1b[K") + 3));
    }
    ASSERT_GE(finished.size(), 5U);
    EXPECT_EQ(finished[0], "Job 3: public.t, copy");
    EXPECT_EQ(finished[1], "✓ copy       10.1s  2,000 rows, 198 rows/s");
    EXPECT_EQ(finished[2].substr(0, 10), "✓ verify");
    EXPECT_TRUE(out.has("waits: lock, attempt 1, pid 4711"));
    EXPECT_TRUE(out.has("Done in 10.1s"));
}

TEST_F(tty, no_line_is_wider_than_the_terminal) {
    for (width = 1; width < 120; width += 7) {
        tty_observer to(out, err, screen, verbosity(), by_hand());
        to.phase_started(phase_named("copy", ""));
        out.taken();
        progress now = at(5'000'000, 20'000'000);
        now.log_pending = 10'000;
        now.detail = "chunk of 12,000 rows in 480ms";
        now.throttled = "replica r1 is 2 GB behind (limit 64 MB)";
        later(1s);
        to.progressed(now);
        EXPECT_EQ(out.all.find('\n'), std::string::npos);
        EXPECT_LT(out.all.size(), static_cast<std::size_t>(width) * 3 + 4);
    }
}

TEST_F(tty, without_colour_or_utf8_is_plain_ascii) {
    screen.utf8 = false;
    tty_observer to(out, err, screen, verbosity(), by_hand());
    tell_a_run(to, [&](auto time) { later(time); });
    for (const char letter : out.all) {
        EXPECT_GE(letter, 0);
    }
    EXPECT_FALSE(out.has("\x1b[3")) << "no colours unless there are any";
    EXPECT_TRUE(out.has("[####"));
}

TEST_F(tty, colours_are_used_when_there_are_any) {
    screen.color = true;
    tty_observer to(out, err, screen, verbosity(), by_hand());
    tell_a_run(to, [&](auto time) { later(time); });
    EXPECT_TRUE(out.has("\x1b[32m✓\x1b[0m"));
}

TEST_F(tty, a_warning_clears_the_line_and_draws_it_again) {
    tty_observer to(out, err, screen, verbosity(), by_hand());
    to.phase_started(phase_named("copy", ""));
    later(1s);
    to.progressed(at(5, 10));
    out.taken();
    to.message(level::warning, "careful");
    EXPECT_EQ(err.all, "pgeist: warning: careful\n");
    EXPECT_TRUE(out.all.starts_with("\r\x1b[K"));
    EXPECT_TRUE(out.has("50.0%"));
}

TEST_F(tty, a_failure_leaves_the_last_figures) {
    tty_observer to(out, err, screen, verbosity(), by_hand());
    to.phase_started(phase_named("copy", ""));
    later(1s);
    to.progressed(at(5, 10));
    out.taken();
    to.finished(outcome{exit_code::cancelled, "", ""});
    EXPECT_EQ(out.all, "\n");
    EXPECT_TRUE(err.has("pgeist: cancelled"));
}

class factory : public report_test {
protected:
    std::string output_of(const output_choice& choice) {
        const auto to = make_observer(choice, out, err, by_hand());
        tell_a_run(*to, [&](auto time) { later(time); });
        return out.taken();
    }
};

TEST_F(factory, makes_what_is_asked_for) {
    output_choice choice;
    EXPECT_NE(output_of(choice).find("copy: begins"), std::string::npos);
    choice.screen.is_tty = true;
    EXPECT_NE(output_of(choice).find('\r'), std::string::npos);
    choice.progress = progress_mode::plain;
    EXPECT_NE(output_of(choice).find("copy: begins"), std::string::npos);
    choice.progress = progress_mode::off;
    EXPECT_EQ(output_of(choice).find("ETA"), std::string::npos);
    choice.how_much.quiet = true;
    EXPECT_EQ(output_of(choice), "");
    choice.format = output_format::json;
    EXPECT_TRUE(output_of(choice).starts_with("{"));
}

TEST_F(factory, quiet_still_tells_what_went_wrong) {
    output_choice choice;
    choice.how_much.quiet = true;
    const auto to = make_observer(choice, out, err, by_hand());
    to->message(level::info, "nothing special");
    to->message(level::warning, "careful");
    to->finished(outcome{exit_code::refused, "no key", "add one"});
    EXPECT_EQ(out.all, "");
    EXPECT_EQ(err.all, "pgeist: warning: careful\npgeist: no key\nhint: add one\n");
}

}  // namespace
}  // namespace pgeist::report
