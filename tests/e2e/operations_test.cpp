// Steering a running job from outside, what others see of it, and what it writes besides its output.

#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/private_server.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using namespace std::chrono_literals;

std::string text_of_file(const std::filesystem::path& path) {
    std::ifstream stream(path);
    std::ostringstream all;
    all << stream.rdbuf();
    return all.str();
}

class operations : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        std::string name = (std::filesystem::temp_directory_path() / "pgeist-ops-XXXXXX").string();
        ASSERT_NE(::mkdtemp(name.data()), nullptr);
        folder_ = name;
    }
    void TearDown() override {
        std::filesystem::remove_all(folder_);
        run_test::TearDown();
    }

    [[nodiscard]] std::string path(const std::string& name) const { return (folder_ / name).string(); }

    /// A program in the hook folder that appends `words` to the file `said`, and ends with `code`.
    void hook(const std::string& name, const std::string& words, int code = 0) {
        std::filesystem::create_directories(folder_ / "hooks");
        std::ofstream(folder_ / "hooks" / name)
            << "#!/bin/sh\necho \"" << words << "\" >> '" << path("said") << "'\nexit " << code << "\n";
        std::filesystem::permissions(folder_ / "hooks" / name, std::filesystem::perms::owner_all);
    }

    /// Starts a run that stands at row 1500 of 2000 in its copy, with chunks of 100 rows, one worker.
    pgeist_process start_at_gate(gate& stop, std::vector<std::string> more) {
        make_table(2000);
        stop.close();
        std::vector<std::string> arguments{
            "--alter",      "ALTER COLUMN code TYPE bigint USING " + stop.expression("id = 1500", "code"),
            "--chunk-rows", "100",
            "--workers",    "1"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return start(std::move(arguments));
    }

    std::string stored_setting(const std::string& name) {
        return sql().scalar("SELECT settings ->> $1 FROM pgeist.jobs", {name});
    }
    boost::json::object job() { return only_job(db().uri()); }

    std::filesystem::path folder_;
};

TEST_F(operations, steering_is_acknowledged_within_a_second_and_recorded) {
    gate stop(db(), 1);
    pgeist_process running = start_at_gate(stop, {});
    stop.wait_until_reached();
    for (const std::vector<std::string>& what : std::vector<std::vector<std::string>>{
             {"set", "1", "workers=3", "chunk-time=50ms", "max-rate=5000", "lock-timeout=50ms", "on-blocked=cancel",
              "max-lag=1GB", "window=00:00-24:00"},
             {"pause", "1"}}) {
        const auto begun = std::chrono::steady_clock::now();
        const run_result result = command(what.front(), {what.begin() + 1, what.end()});
        EXPECT_TRUE(exited(result, 0));
        EXPECT_LT(std::chrono::steady_clock::now() - begun, 1s) << what.front();
    }
    EXPECT_EQ(text_of(job(), "state"), "paused") << "the answer comes when the job's row shows it";
    EXPECT_EQ(stored_setting("workers"), "3");
    EXPECT_EQ(stored_setting("max_rate"), "5000");
    EXPECT_EQ(stored_setting("on_blocked"), "cancel");
    EXPECT_EQ(stored_setting("chunk_time_ms"), "50");
    EXPECT_TRUE(says(command("set", {"1", "workers=none"}), {"workers", "whole number"}));
    EXPECT_TRUE(exited(command("set", {"1", "verify=off"}), 2));
    EXPECT_EQ(stored_setting("workers"), "3");
    stop.open();
    // Steered from psql just as well.
    sql().query("SELECT pgeist.steer(1, 'set', 'workers', 'many')");
    sql().query("SELECT pgeist.steer(1, 'set', 'max-rate', 'off')");
    sql().query("SELECT pgeist.steer(1, 'continue')");
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(result.mentions("is not a whole number")) << "what psql asks is checked where it is obeyed";
    EXPECT_EQ(sql().scalar("SELECT string_agg(event, ' ' ORDER BY at) FROM pgeist.events "
                           "WHERE event IN ('set', 'pause', 'continue')"),
              "set set set set set set set pause set set continue");
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM pgeist.events WHERE event = 'set' AND detail LIKE session_user || ': %'"),
        9);
    EXPECT_EQ(sql().sqlstate_of("SELECT pgeist.steer(1, 'pause')"), "55000") << "nobody runs it any more";
    EXPECT_EQ(sql().sqlstate_of("SELECT pgeist.steer(2, 'pause')"), "P0002");
    EXPECT_EQ(sql().sqlstate_of("SELECT pgeist.steer(1, 'dance')"), "22023");
}

TEST_F(operations, workers_come_and_go_in_the_middle_of_the_copy) {
    gate stop(db(), 1);
    pgeist_process running = start_at_gate(stop, {});
    stop.wait_until_reached();
    EXPECT_TRUE(exited(command("set", {"1", "workers=4"}), 0));
    // The one worker stands at the gate: only others can copy the rest.
    wait_for("the new workers to copy what is left",
             [&] { return sql().number("SELECT count(*) FROM pgeist.chunks WHERE kind = 'copy'") == 20; });
    EXPECT_EQ(number_of(job(), "workers"), 4);
    EXPECT_TRUE(exited(command("set", {"1", "workers=1"}), 0));
    stop.open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t"), 2000);
}

/// On a server of its own: the sessions of other tests are company, too. Who watches is not, by its name.
TEST_F(operations, by_default_one_worker_copies_while_other_sessions_are_at_work) {
    const private_server server(server_major(sql()));
    sync_connection watcher(server.address().with("application_name", "pgeist: watched").uri());
    sync_connection application(server.address().uri());
    watcher.execute("CREATE TABLE public.t AS SELECT i AS id FROM generate_series(1, 2000) AS i");
    watcher.execute("ALTER TABLE public.t ADD PRIMARY KEY (id)");
    // A row a second: nothing is finished before it was looked at.
    const std::vector<std::string> slow_run{"run", "--table", "t", "--repack", "--chunk-rows", "1", "--max-rate", "1"};
    const auto wait_for_workers = [&](const std::string& number) {
        wait_for(number + " workers at the copy", [&] {
            return watcher.number(
                       "SELECT count(*) FROM pgeist.jobs WHERE phase = 'copy' AND (figures ->> 'workers')::int = $1",
                       {number}) == 1;
        });
    };
    pgeist_process running(server.address().uri(), slow_run);
    wait_for("the job", [&] { return watcher.number("SELECT (to_regclass('pgeist.jobs') IS NOT NULL)::int") == 1; });
    wait_for_workers("2");
    application.send("SELECT pg_sleep(300)");
    wait_for_workers("1");
    watcher.query("SELECT pg_cancel_backend($1)", {std::to_string(application.backend_pid())});
    EXPECT_THROW(application.finish(), sql_error);
    wait_for_workers("2");
    application.send("SELECT pg_sleep(300)");
    wait_for_workers("1");
    running.signal(SIGTERM);
    EXPECT_TRUE(exited(running.finish(), 6));
    pgeist_process chosen(server.address().uri(), {"resume", "1", "--workers", "2"});
    const std::string rows = watcher.scalar("SELECT rows_done FROM pgeist.jobs");
    wait_for("several looks at the application", [&] {
        return watcher.number("SELECT count(*) FROM pgeist.jobs WHERE rows_done >= $1::bigint + 4", {rows}) == 1;
    });
    wait_for_workers("2");
    EXPECT_EQ(watcher.number("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(300)' AND "
                             "state = 'active'"),
              1)
        << "the application is still at work: the user's number holds";
    chosen.signal(SIGTERM);
    EXPECT_TRUE(exited(chosen.finish(), 6));
}

TEST_F(operations, others_see_the_job_in_psql_and_in_pg_stat_activity) {
    gate stop(db(), 1);
    pgeist_process running = start_at_gate(stop, {});
    stop.wait_until_reached();
    wait_for("the name to tell how far it is", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                   "AND application_name = 'pgeist job 1: copy 70%'") == 1;
    });
    wait_for("the row to tell the same", [&] {
        return sql().number(
                   "SELECT count(*) FROM pgeist.status WHERE job = 1 AND \"table\" = 'public.t' "
                   "AND state = 'running' AND phase = 'copy' AND percent = 70 AND rows_done = 1400 AND alive") == 1;
    });
    const boost::json::object shown = job();
    EXPECT_EQ(text_of(shown, "change"),
              "t: ALTER COLUMN code TYPE bigint USING " + stop.expression("id = 1500", "code"));
    EXPECT_EQ(number_of(shown, "chunk_rows"), 100);
    running.kill_hard();
    stop.open();
    wait_for("the view to notice", [&] { return sql().scalar("SELECT state FROM pgeist.status") == "interrupted"; });
    EXPECT_EQ(text_of(job(), "doing"), "") << "nobody does anything any more";
    expect_cleanup_leaves_nothing();
}

TEST_F(operations, report_metrics_log_and_hooks_of_a_run) {
    make_table(2000);
    hook("on-start", "start $PGEIST_JOB $PGEIST_TABLE");
    hook("on-before-swap", "before $PGEIST_PHASE", 1);
    hook("on-failure", "failure $PGEIST_EXIT_CODE");
    const std::vector<std::string> files{"--report",   path("r.html"), "--metrics",  path("m.prom"),
                                         "--log-file", path("log"),    "--hook-dir", path("hooks")};
    std::vector<std::string> arguments{"--alter", "ALTER COLUMN id TYPE bigint"};
    arguments.insert(arguments.end(), files.begin(), files.end());
    const table_state before = state_of();
    const run_result stopped = run(arguments);
    EXPECT_TRUE(exited(stopped, 1));
    EXPECT_TRUE(says(stopped, {"hook on-before-swap ended with exit code 1", "pgeist resume 1"}));
    EXPECT_EQ(text_of_file(path("said")), "start 1 public.t\nbefore swap\nfailure 1\n");
    EXPECT_NE(text_of_file(path("m.prom")).find("pgeist_job_exit_code{job=\"1\",table=\"public.t\"} 1\n"),
              std::string::npos);
    EXPECT_NE(text_of_file(path("r.html")).find("Exit code 1."), std::string::npos);
    EXPECT_EQ(state_of().identity, before.identity) << "nothing was swapped";

    hook("on-before-swap", "before $PGEIST_PHASE");
    arguments = files;
    arguments.insert(arguments.begin(), "1");
    arguments.insert(arguments.end(), {"--log-format", "json"});
    EXPECT_TRUE(exited(command("resume", arguments), 0));
    EXPECT_TRUE(exited(command("verify", {"1"}), 3)) << "the old table is not kept in sync";
    const std::string page = text_of_file(path("r.html"));
    EXPECT_NE(page.find("<td>column id: number 1, integer not null</td><td>column id: number 1, bigint not null</td>"),
              std::string::npos);
    EXPECT_EQ(page.find("<script"), std::string::npos);
    EXPECT_NE(text_of_file(path("m.prom")).find("pgeist_job_rows_verified_total"), std::string::npos);
    const std::string log = text_of_file(path("log"));
    EXPECT_NE(log.find("ERROR job=1 phase=swap ended with exit code 1"), std::string::npos);
    EXPECT_NE(log.find("\"event\":\"result\",\"exit_code\":0"), std::string::npos) << "the same file, appended to";
}

TEST_F(operations, files_that_cannot_be_written_are_a_mistake_before_anything_is_done) {
    make_table(10);
    for (const char* option : {"--report", "--metrics", "--log-file"}) {
        EXPECT_TRUE(exited(run({"--repack", option, path("no/such/file")}), 2)) << option;
    }
    EXPECT_TRUE(exited(run({"--repack", "--hook-dir", path("none")}), 2));
    hook("on-swap", "");
    EXPECT_TRUE(says(run({"--repack", "--hook-dir", path("hooks")}), {"on-swap", "no such event"}));
    expect_nothing_left();
}

TEST_F(operations, pause_stops_attempts_at_the_swap) {
    make_table(1000);
    sync_connection reader = db().connect();
    reader.execute("BEGIN; LOCK TABLE t IN ACCESS SHARE MODE");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--lock-timeout", "20ms"});
    running.wait_for_event("an attempt that fails",
                           [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    EXPECT_TRUE(exited(command("pause", {"1"}), 0));
    wait_for_job_state(db().uri(), "paused");
    const auto attempts = [&] {
        return sql().number(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
            "AND application_name LIKE 'pgeist%' AND query LIKE '%LOCK TABLE%' AND state <> 'idle'");
    };
    wait_for("the attempt under way to end", [&] { return attempts() == 0; });
    reader.execute("COMMIT");
    const std::string seen = text_of(job(), "updated_at");
    wait_for("the run to have had time for more", [&] {
        return sql().number("SELECT (updated_at > $1::timestamptz + interval '1 second')::int FROM pgeist.jobs",
                            {seen}) == 1;
    });
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_TRUE(exited(command("continue", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(operations, held_back_between_index_builds_it_goes_on_replaying) {
    make_table(3000);
    gate building(db(), 1);
    sql().execute("CREATE INDEX t_gated ON public.t ((" + building.expression("id = 2500", "code") +
                  "), note, amount)");
    sql().execute("CREATE UNIQUE INDEX t_later ON public.t (code)");
    building.close();
    pgeist_process running = start({"--repack", "--index-jobs", "1", "--pause-file", path("pause")});
    building.wait_until_reached();  // the larger index is built first
    std::ofstream(path("pause")) << "";
    sql().execute("UPDATE t SET code = code + 5 WHERE id BETWEEN 2 AND 1001; DELETE FROM t WHERE id = 2000");
    building.open();
    wait_for("the run to say why it waits", [&] {
        return text_of(job(), "throttled").find("pause file") != std::string::npos &&
               sql().number("SELECT count(*) FROM pg_class WHERE oid = to_regclass('pgeist_1.t_gated')") == 1;
    });
    wait_for("what was written meanwhile to be replayed", [&] {
        return sql().number("SELECT count(*) FROM pgeist_1.t WHERE code % 10 = 5") == 1000 &&
               sql().number("SELECT count(*) FROM pgeist_1.pgeist_log") == 0;
    });
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE oid = to_regclass('pgeist_1.t_later')"), 0)
        << "the next index is not begun";
    std::filesystem::remove(path("pause"));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indrelid = 'public.t'::regclass AND indisvalid"), 3);
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE code % 10 = 5"), 1000);
    EXPECT_EQ(note_of(2000), "no row");
}

TEST_F(operations, verify_compares_before_the_swap) {
    make_table(2000);
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(says(command("verify", {"1"}), {"2,000 rows", "0 differences"}));
    sql().execute("UPDATE pgeist_1.t SET note = 'not what it was' WHERE id = 7");
    EXPECT_TRUE(says(command("verify", {"1"}), {"1 differences, 1 repaired"}));
    sql().execute("UPDATE t SET note = 'later' WHERE id = 8");
    running.signal(SIGINT);
    EXPECT_TRUE(exited(running.finish(), 6));
    const run_result alone = command("verify", {"1"});
    EXPECT_TRUE(exited(alone, 0));
    EXPECT_TRUE(says(alone, {"pgeist resume 1"}));
    EXPECT_EQ(text_of(job(), "state"), "interrupted");
    // A difference that cannot be repaired.
    sql().execute(
        "CREATE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.note := 'spoilt'; RETURN NEW; END $$;"
        "UPDATE pgeist_1.t SET note = 'wrong' WHERE id = 9;"
        "CREATE TRIGGER spoil BEFORE INSERT OR UPDATE ON pgeist_1.t FOR EACH ROW EXECUTE FUNCTION spoil()");
    EXPECT_TRUE(exited(command("verify", {"1"}), 5));
    EXPECT_TRUE(exited(command("resume", {"1"}), 5)) << "what is known to differ is not swapped in";
    EXPECT_EQ(note_of(9), "note 9");
    expect_cleanup_leaves_nothing();
}

TEST_F(operations, candidates_for_a_repack_are_those_that_are_bloated) {
    sql().execute(
        "CREATE TABLE bloated (id int PRIMARY KEY, note text); INSERT INTO bloated SELECT i, repeat('x', 90) FROM "
        "generate_series(1, 60000) i; CREATE TABLE tight AS SELECT * FROM bloated; CREATE TABLE keyless AS SELECT * "
        "FROM "
        "bloated; DELETE FROM bloated WHERE id % 5 <> 0; DELETE FROM keyless WHERE id % 2 = 0");
    sql().execute("VACUUM ANALYZE bloated");
    sql().execute("VACUUM ANALYZE keyless");
    sql().execute("ANALYZE tight");
    const auto tables = [&] {
        std::vector<boost::json::object> found =
            command("repack-candidates", {"--min-size", "1MB", "--output", "json"}).events();
        return found;
    };
    const auto found = tables();
    ASSERT_EQ(found.size(), 2U);
    EXPECT_EQ(text_of(found[0], "table"), "public.bloated");
    EXPECT_NEAR(found[0].at("bloat_percent").to_number<double>(), 80, 3);
    EXPECT_EQ(text_of(found[1], "table"), "public.keyless");
    EXPECT_NEAR(found[1].at("bloat_percent").to_number<double>(), 50, 3);
    EXPECT_EQ(command("repack-candidates", {"--min-size", "1MB", "--quiet"}).out, "public.bloated\n");
    EXPECT_EQ(command("repack-candidates", {"--min-size", "1TB", "--quiet"}).out, "");
    EXPECT_TRUE(exited(command("repack-candidates", {"--min-bloat", "much"}), 2));
    EXPECT_TRUE(exited(command("run", {"--table", "bloated", "--repack", "--drop-old"}), 0));
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    ASSERT_EQ(tables().size(), 1U) << "a repacked table is no candidate any more";
}

}  // namespace
}  // namespace pgeist::test
