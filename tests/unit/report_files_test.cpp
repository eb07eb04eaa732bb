// What a run writes besides its output: metrics, report, log, hooks.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include <sys/stat.h>
#include <unistd.h>

#include "pgeist/report/fan_out.hpp"
#include "pgeist/report/hooks/hook_observer.hpp"
#include "pgeist/report/html/report_observer.hpp"
#include "pgeist/report/metrics/metrics_observer.hpp"
#include "pgeist/report/replace_file.hpp"
#include "pgeist/report/run_record.hpp"
#include "pgeist/report/sink.hpp"
#include "pgeist/report/terminal/log_observer.hpp"
#include "pgeist/report/wait_filter.hpp"
#include "report_test.hpp"

namespace pgeist::report {
namespace {

using namespace std::chrono_literals;

/// A folder of the test's own, and a clock that it moves.
class files : public ::testing::Test {
protected:
    void SetUp() override {
        std::string name = (std::filesystem::temp_directory_path() / "pgeist-files-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override { std::filesystem::remove_all(folder_); }

    [[nodiscard]] std::string path(const std::string& name) const { return folder_ + "/" + name; }
    [[nodiscard]] std::string text(const std::string& name) const {
        std::ifstream stream(path(name));
        std::ostringstream all;
        all << stream.rdbuf();
        return all.str();
    }
    void hook(const std::string& name, const std::string& script) const {
        std::ofstream(path(name)) << "#!/bin/sh\n" << script << "\n";
        std::filesystem::permissions(path(name), std::filesystem::perms::owner_all);
    }
    [[nodiscard]] time_source clock() {
        time_source source;
        source.now = [this] { return now_; };
        source.today = [] { return wall::time_point(std::chrono::seconds(1'700'000'000)); };
        return source;
    }
    void pass(milliseconds time) { now_ += time; }
    [[nodiscard]] std::function<void(const std::string&)> complain() {
        return [this](const std::string& what) { complaints_.push_back(what); };
    }
    static progress copied(std::int64_t rows, std::optional<std::string> waits = std::nullopt) {
        progress now;
        now.rows_done = rows;
        now.rows_total = 1000;
        now.workers = 2;
        now.chunk_rows = 100;
        now.chunk_time = 40ms;
        now.throttled = std::move(waits);
        return now;
    }
    static std::vector<blocker> one_blocker() {
        blocker one;
        one.pid = 42;
        one.user = "<batch>";
        one.query = "UPDATE \"t\" SET a = '<b>&'";
        return {one};
    }

    std::string folder_;
    steady::time_point now_ = steady::time_point() + 1h;
    std::vector<std::string> complaints_;
};

TEST_F(files, are_replaced_as_a_whole_or_not_at_all) {
    EXPECT_EQ(replace_file(path("a"), "old", readers::everybody), "");
    EXPECT_EQ(replace_file(path("a"), "new", readers::everybody), "");
    EXPECT_EQ(text("a"), "new");
    EXPECT_NE(replace_file(path("no/such/folder"), "x", readers::everybody).find("cannot create"), std::string::npos);
    std::filesystem::create_directory(path("d"));
    EXPECT_NE(replace_file(path("d"), "x", readers::everybody).find("cannot replace"), std::string::npos);
    std::size_t left = 0;
    for (const auto& each : std::filesystem::directory_iterator(folder_)) {
        left += each.path().extension() == ".tmp" ? 1 : 0;
    }
    EXPECT_EQ(left, 0U) << "temporary files are taken away";
}

TEST_F(files, follow_no_link_that_somebody_has_planted_and_are_for_few) {
    std::ofstream(path("keys")) << "precious";
    // The name that can be guessed: of the file and the process.
    std::filesystem::create_symlink(path("keys"), path("r.html." + std::to_string(::getpid()) + ".tmp"));
    const mode_t before = ::umask(022);
    EXPECT_EQ(replace_file(path("r.html"), "<p>", readers::owner_and_group), "");
    EXPECT_EQ(replace_file(path("m.prom"), "x 1", readers::everybody), "");
    ::umask(before);
    EXPECT_EQ(text("keys"), "precious");
    const auto mode = [&](const std::string& name) {
        return static_cast<unsigned>(std::filesystem::status(path(name)).permissions());
    };
    EXPECT_EQ(mode("r.html"), 0640U) << "it tells what other sessions were doing";
    EXPECT_EQ(mode("m.prom"), 0644U) << "the collector is another user";
    // A link in the place of the file itself is replaced, not followed.
    std::filesystem::create_symlink(path("keys"), path("link"));
    EXPECT_EQ(replace_file(path("link"), "new", readers::everybody), "");
    EXPECT_EQ(text("keys"), "precious");
    EXPECT_EQ(text("link"), "new");
}

TEST_F(files, metrics_count_and_never_fall) {
    metrics_observer observer(path("m.prom"), clock(), complain());
    observer.job_started(3, "public.\"a\\b\"", "shadow");
    observer.phase_started(phase_named("copy", ""));
    observer.progressed(copied(400, "paused"));
    pass(2s);
    observer.progressed(copied(700));
    observer.progressed(copied(100));  // a TRUNCATE: the copy begins anew
    observer.lock_waited(1, 5ms, one_blocker());
    pass(2s);
    observer.progressed(copied(300));
    const std::string labels = "{job=\"3\",table=\"public.\\\"a\\\\b\\\"\"} ";
    std::string now = text("m.prom");
    EXPECT_NE(now.find("pgeist_job_rows_copied_total" + labels + "900\n"), std::string::npos) << now;
    EXPECT_NE(now.find("pgeist_job_phase_rows" + labels + "300\n"), std::string::npos);
    EXPECT_NE(now.find("pgeist_job_throttled_seconds_total" + labels + "2\n"), std::string::npos) << now;
    EXPECT_NE(now.find("pgeist_job_running" + labels + "1\n"), std::string::npos);
    EXPECT_EQ(now.find("exit_code"), std::string::npos);
    EXPECT_EQ(now.find("lag"), std::string::npos) << "what is not measured is not told";
    outcome end;
    end.code = exit_code::lock_not_obtained;
    observer.finished(end);
    now = text("m.prom");
    EXPECT_NE(now.find("pgeist_job_running" + labels + "0\n"), std::string::npos);
    EXPECT_NE(now.find("pgeist_job_exit_code" + labels + "4\n"), std::string::npos);
    EXPECT_NE(now.find("pgeist_job_lock_attempts_failed_total" + labels + "1\n"), std::string::npos);
    // Each family has its help and type once, right before its samples.
    EXPECT_EQ(now.find("# TYPE pgeist_job_phase gauge"), now.rfind("# TYPE pgeist_job_phase gauge"));
    EXPECT_TRUE(complaints_.empty());
}

TEST_F(files, metrics_have_each_table_that_is_exchanged_with_others_and_all_of_them) {
    metrics_observer observer(path("m.prom"), clock(), complain());
    observer.job_started(3, "a", "shadow");
    observer.concerns(4);
    observer.job_started(4, "b", "shadow");
    observer.phase_started(phase_named("copy", ""));
    observer.progressed(copied(50));
    observer.concerns(3);
    observer.phase_started(phase_named("copy", ""));
    observer.progressed(copied(7));
    observer.finished(outcome());
    const std::string now = text("m.prom");
    EXPECT_NE(now.find("pgeist_job_rows_copied_total{job=\"3\",table=\"a\"} 7\n"), std::string::npos) << now;
    EXPECT_NE(now.find("pgeist_job_rows_copied_total{job=\"4\",table=\"b\"} 50\n"), std::string::npos) << now;
    EXPECT_NE(now.find("pgeist_group_rows_copied_total{group=\"3\"} 57\n"), std::string::npos) << now;
    EXPECT_NE(now.find("pgeist_group_tables{group=\"3\"} 2\n"), std::string::npos) << now;
    EXPECT_EQ(now.find("# TYPE pgeist_job_phase gauge"), now.rfind("# TYPE pgeist_job_phase gauge"));
    EXPECT_NE(now.find("pgeist_job_exit_code{job=\"4\",table=\"b\"} 0\n"), std::string::npos) << now;
}

TEST_F(files, metrics_take_a_step_for_the_job_that_it_is_a_step_of) {
    metrics_observer observer(path("m.prom"), clock(), complain());
    observer.job_started(3, "", "file");
    observer.steps_in(4);
    observer.concerns(4);
    observer.job_started(4, "b", "shadow");
    observer.phase_started(phase_named("copy", ""));
    observer.progressed(copied(50));
    observer.finished(outcome());
    const std::string now = text("m.prom");
    EXPECT_NE(now.find("pgeist_job_rows_copied_total{job=\"3\",table=\"\"} 50\n"), std::string::npos) << now;
    EXPECT_EQ(now.find("job=\"4\""), std::string::npos) << now;
    EXPECT_EQ(now.find("pgeist_group"), std::string::npos) << now;
}

TEST_F(files, report_lists_the_tables_that_are_exchanged_together) {
    report_observer observer(path("r.html"), "", clock(), complain());
    observer.job_started(3, "a", "shadow");
    observer.concerns(4);
    observer.job_started(4, "b<x>", "shadow");
    observer.phase_started(phase_named("copy", ""));
    observer.progressed(copied(1234));
    observer.message(level::warning, "look");
    observer.concerns(3);
    observer.phase_started(phase_named("copy", ""));
    observer.finished(outcome());
    ASSERT_EQ(observer.record().members.size(), 1U);
    EXPECT_EQ(observer.record().members.front().rows_copied, 1234);
    EXPECT_EQ(observer.record().phases.size(), 1U) << "the other table's phases are not the first one's";
    const std::string page = text("r.html");
    EXPECT_NE(page.find("Exchanged together with"), std::string::npos);
    EXPECT_NE(page.find("b&lt;x&gt;"), std::string::npos);
    EXPECT_NE(page.find("job 4 (b&lt;x&gt;): look"), std::string::npos) << page;
}

TEST_F(files, metrics_that_cannot_be_written_are_complained_of_once) {
    metrics_observer observer(path("no/folder/m.prom"), clock(), complain());
    observer.phase_started(phase_named("copy", ""));
    observer.phase_started(phase_named("key", ""));
    ASSERT_EQ(complaints_.size(), 1U);
    EXPECT_NE(complaints_.front().find("--metrics: cannot create"), std::string::npos);
}

TEST_F(files, report_tells_all_and_escapes_what_it_tells) {
    report_observer observer(path("r.html"), "orders: ADD COLUMN \"<x>\" int", clock(), complain());
    EXPECT_TRUE(observer.wants_description());
    observer.job_started(3, "public.<script>alert(1)</script>", "shadow");
    observer.described({"deploy@db1:5432/shop",
                        "orders: ADD COLUMN \"<x>\" int",
                        {"column a: int", "column b: <text>"},
                        {"column a: bigint", "column c: int"}});
    observer.phase_started(phase_named("copy", "ACCESS SHARE per chunk"));
    for (int second = 1; second <= 10; ++second) {
        pass(1s);
        const bool waits = second >= 4 && second <= 7;
        observer.progressed(copied(100 * second, waits ? std::optional<std::string>("lag & more") : std::nullopt));
    }
    observer.phase_started(phase_named("swap", "ACCESS EXCLUSIVE"));
    pass(1s);
    observer.progressed(copied(0));  // the last chunk of the copy, still remembered
    observer.lock_waited(7, 200ms, one_blocker());
    observer.lock_waited(0, 200ms, one_blocker());
    observer.message(level::warning, "mind <this>");
    swap_outcome swapped;
    swapped.attempts = 8;
    swapped.lock_held_ms = 12.5;
    observer.swapped(swapped);
    observer.finished(outcome());
    const std::string page = text("r.html");
    EXPECT_TRUE(page.starts_with("<!DOCTYPE html>"));
    EXPECT_EQ(page.find("<script"), std::string::npos);
    EXPECT_EQ(page.find("http:"), std::string::npos);
    EXPECT_EQ(page.find("https:"), std::string::npos);
    for (const char* wanted :
         {"public.&lt;script&gt;", "The table has its new definition.", "12.5 ms", "pid 42 (&lt;batch&gt;",
          "lag &amp; more", "mind &lt;this&gt;", "<polyline class=\"curve\"",
          "<tr class=\"other\"><td>column a: int</td><td>column a: bigint</td></tr>",
          "<tr class=\"gone\"><td>column b: &lt;text&gt;</td><td></td></tr>",
          "<tr class=\"new\"><td></td><td>column c: int</td></tr>", "at most 40 ms a chunk"}) {
        EXPECT_NE(page.find(wanted), std::string::npos) << wanted;
    }
    EXPECT_NE(page.find("<td class=\"n\">old snapshot</td>"), std::string::npos);
    EXPECT_GT(observer.record().samples.front().chunk_ms, 0);
    EXPECT_EQ(observer.record().samples.back().chunk_ms, 0) << "the swap has no chunks";
    EXPECT_EQ(observer.record().phases.back().longest_chunk_ms, 0);
    ASSERT_EQ(observer.record().throttled.size(), 1U);
    EXPECT_DOUBLE_EQ(observer.record().throttled[0].from, 4);
    EXPECT_DOUBLE_EQ(observer.record().throttled[0].to, 8);
}

TEST_F(files, report_tells_of_the_way_back) {
    report_observer observer(path("r.html"), "t: DROP COLUMN a", clock(), complain());
    observer.job_started(3, "public.t", "shadow");
    observer.phase_started(phase_named("window", ""));
    progress now;
    now.unfit = 2;
    now.log_pending = 1200;
    now.window_left = 90min;
    observer.progressed(now);
    std::string page = html_report(observer.record());
    for (const char* wanted : {"<h2>Way back</h2>", "not while there are rows that do not fit", "1,200", "1h30m"}) {
        EXPECT_NE(page.find(wanted), std::string::npos) << wanted << "\n" << page;
    }
    observer.not_revertible("column <a> was dropped");
    page = html_report(observer.record());
    EXPECT_NE(page.find("no: column &lt;a&gt; was dropped"), std::string::npos);
    EXPECT_EQ(page.find("1,200"), std::string::npos);
}

TEST_F(files, report_of_a_swap_back_does_not_speak_of_a_new_definition) {
    report_observer observer(path("r.html"), "t: DROP COLUMN a", clock(), complain());
    observer.job_started(3, "public.t", "shadow");
    swap_outcome done;
    done.back = true;
    done.attempts = 1;
    done.old_table = "pgeist_3.t";
    observer.swapped(done);
    observer.finished(outcome());
    const std::string page = text("r.html");
    EXPECT_NE(page.find("The old table is in use again"), std::string::npos);
    EXPECT_EQ(page.find("new definition"), std::string::npos);
    EXPECT_NE(page.find("<dt>New table</dt><dd>kept as pgeist_3.t"), std::string::npos) << page;
}

/// The page about a run that went through `phases` and then ended so.
std::string page_after(report_observer& observer, const std::vector<std::string>& phases, exit_code code,
                       const std::string& message) {
    observer.job_started(1, "public.t", "shadow");
    for (const std::string& each : phases) {
        observer.phase_started(phase_named(each, ""));
    }
    outcome end;
    end.code = code;
    end.message = message;
    observer.finished(end);
    return html_report(observer.record());
}

TEST_F(files, report_does_not_call_a_table_unchanged_that_has_been_swapped) {
    struct ending {
        std::vector<std::string> phases;
        exit_code code;
        bool says_swapped;
        bool says_unchanged;
    };
    for (const ending& each :
         std::vector<ending>{{{"finish"}, exit_code::failed, true, false},  // resumed, the swap was an earlier run's
                             {{"swap", "finish"}, exit_code::cancelled, true, false},  // its commit was not told of
                             {{"finish"}, exit_code::done, true, false},
                             {{"swap"}, exit_code::cancelled, false, false},  // may have met the commit
                             {{"swap"}, exit_code::connection_lost, false, false},
                             {{"swap"}, exit_code::outcome_unknown, false, false},
                             {{"swap"}, exit_code::lock_not_obtained, false, true},
                             {{"verify"}, exit_code::verification_failed, false, true},
                             {{"copy"}, exit_code::connection_lost, false, true}}) {
        report_observer observer(path("r.html"), "", clock(), complain());
        const std::string page = page_after(observer, each.phases, each.code, "a key does not fit.");
        const std::string about = each.phases.back() + ", " + std::to_string(static_cast<int>(each.code));
        EXPECT_EQ(page.find("The table has its new definition.") != std::string::npos, each.says_swapped) << about;
        EXPECT_EQ(page.find("as it was") != std::string::npos, each.says_unchanged) << about;
        EXPECT_EQ(page.find("<dd>not swapped</dd>") != std::string::npos, each.says_unchanged) << about;
        EXPECT_EQ(page.find("a key does not fit.") != std::string::npos, each.code != exit_code::done) << about;
    }
}

TEST_F(files, report_of_a_long_run_stays_small) {
    report_observer observer(path("r.html"), "", clock(), complain());
    observer.job_started(1, "t", "shadow");
    observer.phase_started(phase_named("copy", ""));
    for (int second = 0; second < 200'000; ++second) {
        pass(1s);
        observer.progressed(copied(second));
        if (second % 100 == 0) {
            observer.lock_waited(second, 1ms, {});
        }
    }
    EXPECT_LT(observer.record().samples.size(), 600U);
    EXPECT_GT(observer.record().samples.size(), 200U);
    EXPECT_GT(observer.record().samples.back().at, 199'000);
    EXPECT_EQ(observer.record().lock_waits.size() + observer.record().lock_waits_left_out, 2000U);
    outcome failed;
    failed.code = exit_code::lock_not_obtained;
    observer.finished(failed);
    const std::string page = text("r.html");
    EXPECT_LT(page.size(), 300'000U);
    EXPECT_NE(page.find("Exit code 4."), std::string::npos);
    EXPECT_NE(page.find("pgeist resume 1"), std::string::npos);
}

TEST_F(files, hooks_get_their_variables_in_order_and_without_delay_to_the_run) {
    hook("on-start", "echo \"start $PGEIST_JOB $PGEIST_TABLE $PGEIST_EVENT\" >> '" + path("said") + "'");
    hook("on-phase", "echo \"phase $PGEIST_PHASE\" >> '" + path("said") + "'; echo noise");
    hook("on-failure", "echo \"failure $PGEIST_EXIT_CODE $PGEIST_MESSAGE\" >> '" + path("said") + "'; exit 3");
    EXPECT_EQ(problem_with_hooks(folder_), "");
    {
        hook_observer observer(folder_, clock(), complain());
        observer.job_started(7, "public.t", "shadow");
        observer.phase_started(phase_named("copy", ""));
        observer.phase_started(phase_named("key", ""));
        std::string why;
        EXPECT_EQ(observer.may_swap(why), permission::granted) << "there is no hook that could object";
        outcome failed;
        failed.code = exit_code::failed;
        failed.message = "no room";
        observer.finished(failed);
    }
    EXPECT_EQ(text("said"), "start 7 public.t start\nphase copy\nphase key\nfailure 1 no room\n");
    EXPECT_EQ(complaints_, std::vector<std::string>{"hook on-failure ended with exit code 3"});
}

TEST_F(files, hook_before_the_swap_decides) {
    const auto answer = [&](const std::string& script, std::string& why) {
        hook("on-before-swap", script);
        hook_observer observer(folder_, clock(), complain());
        permission said = observer.may_swap(why);
        while (said == permission::not_yet) {
            std::this_thread::yield();
            said = observer.may_swap(why);
        }
        return said;
    };
    std::string why;
    EXPECT_EQ(answer("exit 0", why), permission::granted);
    EXPECT_EQ(answer("exit 4", why), permission::refused);
    EXPECT_EQ(why, "hook on-before-swap ended with exit code 4");
    EXPECT_EQ(answer("kill -9 $$", why), permission::refused);
    EXPECT_EQ(why, "hook on-before-swap was ended by signal 9");
}

TEST_F(files, hook_before_the_swap_does_not_outlive_a_run_that_is_cancelled) {
    hook("on-before-swap", "sleep 1000");
    const auto begun = steady::now();
    {
        hook_observer observer(folder_, clock(), complain());
        std::string why;
        EXPECT_EQ(observer.may_swap(why), permission::not_yet);
        outcome stopped;
        stopped.code = exit_code::cancelled;
        observer.finished(stopped);
    }
    EXPECT_LT(steady::now() - begun, 20s);
    EXPECT_EQ(complaints_, std::vector<std::string>{"hook on-before-swap was killed because the run has ended"});
}

TEST_F(files, hooks_that_hang_are_killed_with_their_children) {
    hook("on-start", "sleep 1000 & echo $! > '" + path("child") + "'; wait");
    {
        hook_runner runner(folder_, 300ms);
        const auto ticket = runner.run("on-start", {});
        ASSERT_NE(ticket, nullptr);
        EXPECT_EQ(runner.run("on-done", {}), nullptr) << "not there";
        const auto has_ended = [&] {
            const std::lock_guard guard(ticket->mutex);
            return ticket->problem.has_value();
        };
        while (!has_ended()) {
            std::this_thread::yield();
        }
        runner.finish();
        EXPECT_EQ(ticket->problem, "was killed because it took longer than 300ms");
        EXPECT_EQ(runner.take_problems().size(), 1U);
    }
    const int child = std::stoi(text("child"));
    const auto is_gone = [&] {
        std::ifstream stat("/proc/" + std::to_string(child) + "/stat");
        std::string pid, name, state;
        return !(stat >> pid >> name >> state) || state == "Z" || state == "X";
    };
    const auto end = steady::now() + 5s;
    while (!is_gone() && steady::now() < end) {
        std::this_thread::yield();
    }
    EXPECT_TRUE(is_gone());
}

TEST_F(files, hooks_get_no_password_and_no_value_that_keeps_them_from_running) {
    hook("on-failure", "echo \"${PGPASSWORD-none} ${PGEIST_DBNAME-none} ${PGHOST-none} ${#PGEIST_MESSAGE}\" > '" +
                           path("said") + "'; printf %s \"$PGEIST_MESSAGE\" > '" + path("message") + "'");
    ::setenv("PGPASSWORD", "secret", 1);
    ::setenv("PGEIST_DBNAME", "postgresql://me:secret@db/shop", 1);
    ::setenv("PGHOST", "db", 1);
    {
        hook_observer observer(folder_, clock(), complain());
        outcome failed;
        failed.code = exit_code::verification_failed;
        for (int count = 0; count < 200'000; ++count) {
            failed.message += "ü";
        }
        observer.finished(failed);
    }
    for (const char* each : {"PGPASSWORD", "PGEIST_DBNAME", "PGHOST"}) {
        ::unsetenv(each);
    }
    EXPECT_EQ(complaints_, std::vector<std::string>());
    EXPECT_TRUE(text("said").starts_with("none none db ")) << text("said");
    const std::string message = text("message");
    EXPECT_LT(message.size(), 10'000U);
    EXPECT_TRUE(message.ends_with("üü …")) << "cut between characters";
}

TEST_F(files, hooks_that_wait_do_not_keep_an_ended_run) {
    ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
    hook("on-start", "read line < '" + path("fifo") + "'");  // stays until it is killed: nobody writes
    for (const char* name : {"on-phase", "on-verified", "on-failure"}) {
        hook(name, std::string("echo ") + name + " >> '" + path("said") + "'");
    }
    hook_runner runner(folder_, 3000ms);
    EXPECT_NE(runner.run("on-start", {}), nullptr);
    for (int number = 0; number < 150; ++number) {
        EXPECT_NE(runner.run("on-phase", {}), nullptr);
    }
    EXPECT_NE(runner.run("on-verified", {}), nullptr);
    EXPECT_NE(runner.run("on-failure", {}), nullptr);
    runner.finish();
    EXPECT_EQ(text("said"), "on-failure\n") << "what tells of the end runs, whatever went before";
    const std::vector<std::string> problems = runner.take_problems();
    ASSERT_EQ(problems.size(), 2U);
    EXPECT_EQ(problems[0], "hook on-start was killed because the run has ended and others took too long");
    EXPECT_EQ(problems[1], "hook on-verified is left out: the run has ended and others took too long");
}

TEST_F(files, hook_folders_with_mistakes_are_refused) {
    EXPECT_NE(problem_with_hooks(path("none")).find("is not a folder"), std::string::npos);
    hook("library.sh", "");
    EXPECT_EQ(problem_with_hooks(folder_), "") << "what hooks share is no hook";
    hook("on-swaped", "");
    EXPECT_NE(problem_with_hooks(folder_).find("there is no such event"), std::string::npos);
    std::filesystem::remove(path("on-swaped"));
    hook("on-swapped", "");
    std::filesystem::permissions(path("on-swapped"), std::filesystem::perms::owner_read);
    EXPECT_NE(problem_with_hooks(folder_).find("cannot be run"), std::string::npos);
    std::filesystem::permissions(path("on-swapped"), std::filesystem::perms::all);
    EXPECT_NE(problem_with_hooks(folder_).find("chmod o-w " + path("on-swapped")), std::string::npos);
    std::filesystem::permissions(path("on-swapped"), std::filesystem::perms::owner_all);
    EXPECT_EQ(problem_with_hooks(folder_), "");
    std::filesystem::permissions(folder_, std::filesystem::perms::all);
    EXPECT_NE(problem_with_hooks(folder_).find("can be written by everybody"), std::string::npos);
}

TEST_F(files, log_is_a_line_an_event) {
    class memory : public sink {
    public:
        using sink::write;
        void write(std::string_view text, importance) override { all += text; }
        std::string all;
    } out;
    log_observer observer(out, clock());
    observer.job_started(5, "public.t", "shadow");
    observer.phase_started(phase_named("copy", "none"));
    pass(10s);
    observer.progressed(copied(10));
    EXPECT_EQ(out.all.find("10 of"), std::string::npos) << "too soon for progress";
    observer.progressed(copied(10, "paused by\nalice"));
    pass(1s);
    observer.progressed(copied(10, "paused by\nalice"));
    outcome failed;
    failed.code = exit_code::lock_not_obtained;
    observer.finished(failed);
    EXPECT_NE(out.all.find("2023-11-14T22:13:20.000Z INFO job=5 started: public.t, shadow\n"), std::string::npos);
    EXPECT_NE(out.all.find("INFO job=5 phase=copy phase begins, lock: none\n"), std::string::npos);
    EXPECT_NE(out.all.find("waits: paused by alice\n"), std::string::npos) << out.all;
    EXPECT_NE(out.all.find("ERROR job=5 phase=copy ended with exit code 4"), std::string::npos) << out.all;
    EXPECT_NE(out.all.find("next: "), std::string::npos);
    EXPECT_EQ(std::count(out.all.begin(), out.all.end(), '\n'), 4);
}

TEST(journal, lines_carry_their_priority) {
    EXPECT_EQ(journal_lines("copy: begins\ncopy: done\n", false), "<6>copy: begins\n<6>copy: done\n");
    EXPECT_EQ(journal_lines("pgeist: warning: mind\npgeist: no room\nhint: make room\n", true),
              "<4>pgeist: warning: mind\n<3>pgeist: no room\n<5>hint: make room\n");
    EXPECT_EQ(journal_lines("", false), "");
    EXPECT_EQ(journal_lines("half a line", false), "<6>half a line");
}

TEST(wait_filter, tells_only_what_lasts) {
    wait_filter filter;
    const auto start = steady::time_point() + 1h;
    const std::optional<std::string> none;
    const std::optional<std::string> slow = "limited";
    EXPECT_FALSE(filter.seen(start, slow).has_value());
    EXPECT_FALSE(filter.seen(start + 500ms, none).has_value());
    EXPECT_FALSE(filter.seen(start + 900ms, slow).has_value());
    EXPECT_FALSE(filter.seen(start + 1800ms, slow).has_value());
    const auto begun = filter.seen(start + 1900ms, slow);
    ASSERT_TRUE(begun.has_value());
    EXPECT_TRUE(begun->waits);
    EXPECT_EQ(begun->why, "limited");
    EXPECT_EQ(filter.since(), start + 900ms);
    EXPECT_FALSE(filter.seen(start + 3s, slow).has_value());
    EXPECT_FALSE(filter.seen(start + 4s, none).has_value());
    const auto ended = filter.seen(start + 5s, none);
    ASSERT_TRUE(ended.has_value());
    EXPECT_FALSE(ended->waits);
}

}  // namespace
}  // namespace pgeist::report
