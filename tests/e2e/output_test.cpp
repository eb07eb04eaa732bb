// What scripts and people read: JSON events, plain lines on a pipe, help, version, status.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"

namespace pgeist::test {
namespace {

const std::vector<std::string> json_to_bigint{"--output", "json", "--alter", "ALTER COLUMN id TYPE bigint"};

class output : public run_test {
protected:
    static bool is_rfc3339(const std::string& time) {
        static const std::regex form(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))");
        return std::regex_match(time, form);
    }

    static void expect_members(const boost::json::object& event, const std::vector<std::string>& members) {
        for (const std::string& member : members) {
            EXPECT_TRUE(event.contains(member)) << "no " << member << " in a " << text_of(event, "event") << " event";
        }
    }
};

TEST_F(output, json_is_one_object_a_line_with_time_job_and_event) {
    make_table(2000);
    const run_result result = run(json_to_bigint);
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(result.out.ends_with('\n'));
    const std::vector<boost::json::object> events = result.events();  // throws on anything else
    ASSERT_FALSE(events.empty());
    std::set<std::string> jobs;
    for (const boost::json::object& event : events) {
        EXPECT_TRUE(is_rfc3339(text_of(event, "time"))) << text_of(event, "time");
        EXPECT_NE(text_of(event, "event"), "");
        expect_members(event, {"job"});
        if (const std::string job = text_of(event, "job"); !job.empty()) {
            jobs.insert(job);
        }
    }
    EXPECT_EQ(jobs.size(), 1U);
}

TEST_F(output, json_events_have_their_fields) {
    make_table(2000);
    const run_result result = run(json_to_bigint);
    ASSERT_EQ(result.events("job").size(), 1U);
    expect_members(result.events("job").front(), {"id", "table", "strategy"});
    EXPECT_EQ(text_of(result.events("job").front(), "table"), "public.t");
    for (const boost::json::object& event : result.events("progress")) {
        expect_members(event, {"phase", "rows_done", "rows_total", "percent", "rows_per_second", "eta_seconds",
                               "log_pending", "throttled"});
    }
    ASSERT_FALSE(result.events("verify").empty());
    const boost::json::object verified = result.events("verify").back();
    expect_members(verified, {"chunks", "rows", "differences"});
    EXPECT_EQ(number_of(verified, "rows"), 2000);
    EXPECT_EQ(number_of(verified, "differences"), 0);
    ASSERT_EQ(result.events("swap").size(), 1U);
    EXPECT_GE(number_of(result.events("swap").front(), "attempts").value_or(0), 1);
    EXPECT_GE(number_of(result.events("swap").front(), "lock_held_ms").value_or(-1), 0);
}

TEST_F(output, json_tells_the_phases_in_order_and_the_result_last) {
    make_table(2000);
    const run_result result = run(json_to_bigint);
    std::vector<std::string> phases;
    for (const boost::json::object& event : result.events("phase")) {
        phases.push_back(text_of(event, "name"));
    }
    std::size_t at = 0;
    for (const std::string phase :
         {"prepare", "capture", "copy", "key", "replay", "build", "verify", "swap", "finish"}) {
        const auto found = std::find(phases.begin() + static_cast<std::ptrdiff_t>(at), phases.end(), phase);
        ASSERT_NE(found, phases.end()) << "no phase " << phase << " in its place";
        at = static_cast<std::size_t>(found - phases.begin());
    }
    const boost::json::object last = result.events().back();
    EXPECT_EQ(text_of(last, "event"), "result");
    EXPECT_EQ(number_of(last, "exit_code"), 0);
    EXPECT_NE(text_of(last, "message"), "");
    EXPECT_GE(number_of(last, "elapsed_ms").value_or(-1), 0);
}

TEST_F(output, json_of_a_failure_ends_with_its_result) {
    make_table(10);
    sql().execute("UPDATE public.t SET note = 'x'");
    const run_result result = run({"--output", "json", "--alter", "ALTER COLUMN note TYPE int USING note::int"});
    EXPECT_TRUE(exited(result, 1));
    ASSERT_FALSE(result.events().empty());
    const boost::json::object last = result.events().back();
    EXPECT_EQ(text_of(last, "event"), "result");
    EXPECT_EQ(number_of(last, "exit_code"), 1);
    EXPECT_NE(text_of(last, "message").find("integer"), std::string::npos) << text_of(last, "message");
}

TEST_F(output, json_of_a_refusal_ends_with_its_result) {
    const run_result result = run(json_to_bigint);
    EXPECT_TRUE(exited(result, 3));
    ASSERT_FALSE(result.events().empty());
    EXPECT_EQ(text_of(result.events().back(), "event"), "result");
    EXPECT_EQ(number_of(result.events().back(), "exit_code"), 3);
}

TEST_F(output, json_of_a_run_with_nothing_to_do_says_so) {
    make_table(10);
    EXPECT_TRUE(exited(run(json_to_bigint), 0));
    const run_result again = run(json_to_bigint);
    EXPECT_TRUE(exited(again, 0));
    EXPECT_EQ(number_of(again.events().back(), "exit_code"), 0);
    EXPECT_TRUE(again.events("swap").empty());
}

TEST_F(output, on_a_pipe_is_plain_lines) {
    make_table(2000);
    const run_result result = run({"--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(result.said().find('\x1b'), std::string::npos) << "terminal control sequences on a pipe";
    EXPECT_EQ(result.said().find('\r'), std::string::npos);
    EXPECT_TRUE(says(result, {"copy", "verif", "swap", "2,000"}));
}

TEST_F(output, quiet_says_nothing_when_all_is_well) {
    make_table(100);
    const run_result result = run({"--quiet", "--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(result, 0));
    if (sql().server_major() > 14) {
        EXPECT_EQ(result.said(), "");
    } else {  // whose time is over
        EXPECT_EQ(result.out, "");
        EXPECT_TRUE(says(result, {"warning: PostgreSQL 14 gets no more corrections"}));
    }
}

TEST_F(output, quiet_still_says_what_went_wrong) {
    const run_result result = run({"--quiet", "--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_NE(result.err, "");
}

TEST_F(output, verbose_plan_shows_the_sql) {
    make_table(100);
    const run_result result = command("plan", {"--verbose", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"CREATE TABLE", "CREATE TRIGGER", "INSERT INTO", "SET SCHEMA"}));
    expect_nothing_left();
}

TEST_F(output, plan_shows_columns_locks_and_size) {
    make_table(5000);
    const run_result result = command(
        "plan",
        {"--table", "t", "--alter", "ALTER COLUMN id TYPE bigint, RENAME COLUMN note TO remark, DROP COLUMN code"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"integer", "bigint", "remark", "5,000"}));
    const std::regex exclusive("access ?exclusive", std::regex::icase);
    EXPECT_TRUE(std::regex_search(result.out, exclusive)) << result.out;
}

TEST_F(output, status_of_a_job_at_work_and_done) {
    make_table(1000);
    gate copying(db(), 1);
    copying.close();
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--set",
                                    "note = " + copying.expression("id = 550", "note"), "--chunk-rows", "100"});
    copying.wait_until_reached();
    const boost::json::object at_work = only_job(db().uri());
    expect_members(at_work, {"job", "table", "phase", "state", "rows_done", "rows_total", "started_at", "updated_at",
                             "pid_alive", "resumable", "size_bytes"});
    EXPECT_EQ(text_of(at_work, "table"), "public.t");
    EXPECT_EQ(text_of(at_work, "phase"), "copy");
    EXPECT_EQ(text_of(at_work, "state"), "running");
    EXPECT_TRUE(is_true(at_work, "pid_alive"));
    copying.open();
    EXPECT_TRUE(exited(running.finish(), 0));

    const boost::json::object done = only_job(db().uri());
    EXPECT_EQ(text_of(done, "state"), "done");
    EXPECT_FALSE(is_true(done, "resumable"));
    EXPECT_FALSE(is_true(done, "pid_alive"));
    EXPECT_GT(number_of(done, "size_bytes").value_or(0), 0) << "the old table is kept";
}

TEST_F(output, status_for_people_and_of_one_job) {
    make_table(100);
    EXPECT_TRUE(exited(command("status"), 0)) << "status of a database that has never seen a job";
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    const std::string job = text_of(only_job(db().uri()), "job");
    EXPECT_TRUE(says(command("status"), {job, "done"}));
    const run_result one = command("status", {job});
    EXPECT_TRUE(exited(one, 0));
    EXPECT_TRUE(says(one, {"done", "t"}));
    EXPECT_NE(command("status", {"987654"}).exit_code, 0);
}

TEST_F(output, options_may_come_from_the_environment_and_a_config_file) {
    make_table(100);
    const run_result by_environment =
        run_pgeist(db().uri(), {"plan", "--table", "t", "--repack"}, {{"PGEIST_LOCK_TIMEOUT", "nonsense"}});
    EXPECT_TRUE(exited(by_environment, 2));
    const std::string file = ::testing::TempDir() + db().name() + ".conf";
    std::ofstream(file) << "lock-timeout = nonsense\n";
    EXPECT_TRUE(exited(command("plan", {"--table", "t", "--repack", "--config", file}), 2));
    EXPECT_TRUE(exited(run_pgeist(db().uri(), {"plan", "--table", "t", "--repack", "--lock-timeout", "100ms"},
                                  {{"PGEIST_LOCK_TIMEOUT", "200ms"}}),
                       0));
}

TEST(bare_output, help_lists_the_commands) {
    const run_result result = run_pgeist_bare({"--help"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(result.err, "");
    EXPECT_TRUE(says(result, {"plan", "run", "status", "resume", "cleanup", "--version"}));
}

TEST(bare_output, help_of_run_lists_every_option_of_the_contract) {
    const run_result result = run_pgeist_bare({"run", "--help"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"--table",
                              "--alter",
                              "--file",
                              "--repack",
                              "--set",
                              "--workers",
                              "--chunk-time",
                              "--chunk-rows",
                              "--key",
                              "--index-jobs",
                              "--maintenance-work-mem",
                              "--verify",
                              "--lock-timeout",
                              "--swap-attempts",
                              "--swap-max-wait",
                              "--on-blocked",
                              "--postpone-swap",
                              "--ignore-old-snapshots",
                              "--keep-old",
                              "--drop-old",
                              "--output",
                              "--quiet",
                              "--verbose",
                              "--progress",
                              "--dry-run",
                              "--yes",
                              "--statement-timeout",
                              "--max-log-size"}));
}

TEST(bare_output, every_command_has_help) {
    for (const std::string name : {"plan", "run", "status", "resume", "cleanup"}) {
        const run_result result = run_pgeist_bare({name, "--help"});
        EXPECT_TRUE(exited(result, 0)) << name;
        EXPECT_TRUE(says(result, {name})) << name;
    }
}

TEST(bare_output, version_is_one_line) {
    const run_result result = run_pgeist_bare({"--version"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(std::regex_match(result.out, std::regex(R"(pgeist \d+\.\d+\.\d+[^\n]*\n)"))) << result.out;
}

}  // namespace
}  // namespace pgeist::test
