// Surroundings that are hostile: settings of the role, closed terminals, nobody who reads the output.

#include <gtest/gtest.h>

#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using namespace std::chrono_literals;

/// The whole job as a plain owner of the table, whose role has settings of all kinds.
class settings_of_the_role : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            owner = db().create_role("owner");
            sql().execute("GRANT CREATE ON DATABASE " + db().name() + " TO " + owner +
                          "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner);
            sql().execute(
                "CREATE TABLE public.t (id int, at timestamptz, day date, note text, amount numeric, ratio float8, raw "
                "bytea, span interval, cash text, PRIMARY KEY (id, day)); "
                "INSERT INTO public.t SELECT i, '2024-01-02 03:04:05+00'::timestamptz + i * interval '1 minute', "
                "'2024-01-02'::date + i % 50, 'nöte ' || i, i / 7.0, i / 7.0::float8, decode(lpad(to_hex(i), 8, '0'), "
                "'hex'), i * interval '1 hour', 'x' FROM generate_series(1, 1000) AS i; "
                "CREATE TABLE public.expected AS TABLE public.t; ANALYZE public.t; "
                "ALTER TABLE public.t OWNER TO " +
                owner);
        }
    }

    void expect_no_matter(const std::vector<std::string>& settings) {
        for (const std::string& each : settings) {
            sql().execute("ALTER ROLE " + owner + " SET " + each);
        }
        const run_result result = run_pgeist(db().uri_as(owner), {"run", "--table", "public.t", "--alter",
                                                                  "ALTER COLUMN id TYPE bigint", "--chunk-rows", "70"});
        EXPECT_TRUE(exited(result, 0));
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
        EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"cleanup", "--all"}), 0));
        expect_nothing_left();
    }

    std::string owner;
};

TEST_F(settings_of_the_role, timeouts_do_not_matter) {
    std::vector<std::string> settings{"statement_timeout = '5ms'", "lock_timeout = '1ms'",
                                      "idle_in_transaction_session_timeout = '1ms'", "idle_session_timeout = '100ms'"};
    if (sql().number("SELECT current_setting('server_version_num')::int") >= 170000) {
        settings.emplace_back("transaction_timeout = '5ms'");
    }
    expect_no_matter(settings);
}

TEST_F(settings_of_the_role, kinds_of_transactions_do_not_matter) {
    expect_no_matter({"default_transaction_read_only = on", "default_transaction_isolation = serializable",
                      "default_transaction_deferrable = on", "synchronous_commit = off"});
}

TEST_F(settings_of_the_role, search_path_and_what_is_planted_there_do_not_matter) {
    sql().execute(
        "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC; "
        "CREATE FUNCTION evil.count(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1 / 0::bigint'; "
        "CREATE FUNCTION evil.pg_try_advisory_lock(int, int) RETURNS bool LANGUAGE sql AS 'SELECT (1 / 0) > 0'; "
        "CREATE FUNCTION evil.format(text, text, text) RETURNS text LANGUAGE sql AS 'SELECT (1 / 0)::text'; "
        "CREATE TABLE evil.pg_class (oid oid); CREATE TABLE evil.pg_locks (pid int)");
    expect_no_matter({"search_path = evil, pg_catalog, public"});
}

TEST_F(settings_of_the_role, styles_of_values_do_not_matter) {
    std::vector<std::string> settings{"DateStyle = 'SQL, DMY'",     "IntervalStyle = 'sql_standard'",
                                      "extra_float_digits = -15",   "bytea_output = 'escape'",
                                      "TimeZone = 'Asia/Kolkata'",  "client_encoding = 'LATIN1'",
                                      "quote_all_identifiers = on", "row_security = off",
                                      "array_nulls = off",          "transform_null_equals = on"};
    if (sql().server_major() < 19) {  // which has no other strings
        settings.emplace_back("standard_conforming_strings = off");
    }
    expect_no_matter(settings);
}

TEST_F(settings_of_the_role, planner_and_client_settings_do_not_matter) {
    expect_no_matter({"enable_indexscan = off", "enable_nestloop = off", "client_min_messages = error",
                      "default_tablespace = 'pg_default'", "check_function_bodies = off", "work_mem = '64kB'",
                      "plan_cache_mode = force_generic_plan", "default_statistics_target = 1"});
}

// ---------------------------------------------------------------------------------------------------------------------

class surroundings : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            copying = std::make_unique<gate>(db(), 1);
            copying->close();
        }
    }

    void TearDown() override {
        copying.reset();
        run_test::TearDown();
    }

    std::vector<std::string> held_run() {
        return {"--alter",      "ALTER COLUMN id TYPE bigint",
                "--set",        "note = " + copying->expression("id = 550", "note"),
                "--chunk-rows", "100"};
    }

    void expect_resumable() {
        copying->open();
        wait_for_job_state(db().uri(), "interrupted");
        EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
        expect_cleanup_leaves_nothing();
    }

    std::unique_ptr<gate> copying;
};

TEST_F(surroundings, sighup_ends_the_run_like_sigterm) {
    pgeist_process running = start(held_run());
    copying->wait_until_reached();
    running.signal(SIGHUP);
    EXPECT_TRUE(exited(running.finish(30s), 6));
    expect_resumable();
}

TEST_F(surroundings, a_terminal_that_is_closed_ends_the_run_and_leaves_a_job_that_can_be_resumed) {
    std::vector<std::string> arguments{pgeist_binary().string(), "run", "-d", db().uri(), "--table", "t"};
    for (const std::string& each : held_run()) {
        arguments.push_back(each);
    }
    std::vector<char*> pointers;
    for (std::string& each : arguments) {
        pointers.push_back(each.data());
    }
    pointers.push_back(nullptr);
    int terminal = -1;
    const pid_t child = ::forkpty(&terminal, nullptr, nullptr, nullptr);
    if (child == 0) {
        ::execv(pointers[0], pointers.data());
        ::_exit(127);
    }
    ASSERT_GT(child, 0);
    copying->wait_until_reached();
    ::close(terminal);
    int status = 0;
    wait_for("the end of the run", [&] { return ::waitpid(child, &status, WNOHANG) == child; });
    EXPECT_TRUE(WIFEXITED(status)) << "ended by signal " << WTERMSIG(status);
    EXPECT_EQ(WEXITSTATUS(status), 6);
    expect_resumable();
}

TEST_F(surroundings, nobody_reading_its_output_does_not_end_the_run) {
    std::vector<std::string> arguments{"run", "-d", db().uri(), "--table", "t"};
    for (const std::string& each : held_run()) {
        arguments.push_back(each);
    }
    std::string command = "\"$@\" | true; exit ${PIPESTATUS[0]}";
    std::vector<std::string> shell{"-c", command, "bash", pgeist_binary().string()};
    shell.insert(shell.end(), arguments.begin(), arguments.end());
    child_process process({"/bin/bash", shell, {}, std::nullopt});
    copying->wait_until_reached();
    copying->open();
    EXPECT_EQ(process.wait(60s).code, 0) << process.err();
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(surroundings, the_process_title_and_the_output_do_not_tell_the_password) {
    const std::string uri = db().address().with("password", "Zs3cretZ").uri();
    ASSERT_NE(uri.find("Zs3cretZ"), std::string::npos);
    std::vector<std::string> arguments = held_run();
    arguments.insert(arguments.begin(), {"run", "--table", "t", "--output", "json", "--verbose"});
    pgeist_process running(uri, arguments);
    copying->wait_until_reached();
    std::ifstream file("/proc/" + std::to_string(running.process().pid()) + "/cmdline");
    std::stringstream title;
    title << file.rdbuf();
    EXPECT_NE(title.str().find("--table"), std::string::npos);
    EXPECT_EQ(title.str().find("Zs3cretZ"), std::string::npos) << title.str();
    copying->open();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_FALSE(result.mentions("Zs3cretZ"));
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM pgeist.jobs j LEFT JOIN pgeist.events e ON e.job = j.id WHERE (j::text || "
                     "e::text) LIKE '%Zs3cretZ%'"),
        0);
}

TEST_F(surroundings, an_interrupted_job_warns_with_the_size_and_growth_of_its_log) {
    pgeist_process running = start(held_run());
    copying->wait_until_reached();
    running.kill_hard();
    copying->open();
    wait_for_job_state(db().uri(), "interrupted");
    for (int round = 0; round < 20; ++round) {
        sql().execute("UPDATE public.t SET code = code + 1");
    }
    const run_result status = command("status");
    EXPECT_TRUE(says(status, {"warning", "log", "grows by", "pgeist cleanup"}));
    const boost::json::object job = only_job(db().uri());
    EXPECT_GT(number_of(job, "log_bytes").value_or(0), 500'000);
    EXPECT_GT(number_of(job, "log_bytes_per_hour").value_or(0), 500'000);
    expect_resumable();
}

}  // namespace
}  // namespace pgeist::test
