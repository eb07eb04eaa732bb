// Surroundings that are hostile: DDL by others at the wrong moment, settings of the role, names that are made to break
// quoting, too few resources, closed terminals.

#include <gtest/gtest.h>

#include <fcntl.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

using namespace std::chrono_literals;

// ---------------------------------------------------------------------------------------------------------------------

/// DDL of others while the run stands in its copy, held by a file: no chunk is open, nothing waits for the DDL.
class others_ddl : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            sql().execute(
                "CREATE INDEX by_note ON public.t (note); ALTER TABLE public.t ADD CONSTRAINT positive CHECK (id > 0); "
                "CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
                "CREATE TRIGGER theirs BEFORE UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.nothing()");
            pause_file = std::filesystem::temp_directory_path() / ("pgeist-pause-" + db().name());
            std::ofstream(pause_file) << "\n";
        }
    }

    void TearDown() override {
        std::filesystem::remove(pause_file);
        run_test::TearDown();
    }

    void expect_noticed(const std::string& ddl, const std::string& said, bool kept = true) {
        pgeist_process running =
            start({"--alter", "ALTER COLUMN code TYPE bigint", "--pause-file", pause_file.string()});
        running.wait_for_phase("copy");
        sql().execute(ddl);
        // Nothing lets the copy go on: who ends it has looked.
        const run_result result = running.finish(30s);
        EXPECT_TRUE(exited(result, 1));
        EXPECT_TRUE(says(result, {said, "cleanup"}));
        if (kept) {
            EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
        }
        expect_cleanup_leaves_nothing();
    }

    std::filesystem::path pause_file;
};

TEST_F(others_ddl, a_column_is_added) { expect_noticed("ALTER TABLE public.t ADD extra int", "changed by someone"); }
TEST_F(others_ddl, a_column_is_dropped) { expect_noticed("ALTER TABLE public.t DROP amount", "changed by someone"); }
TEST_F(others_ddl, an_index_is_added) { expect_noticed("CREATE INDEX ON public.t (amount)", "changed by someone"); }
TEST_F(others_ddl, an_index_is_dropped) { expect_noticed("DROP INDEX public.by_note", "changed by someone"); }
TEST_F(others_ddl, a_constraint_is_added) {
    expect_noticed("ALTER TABLE public.t ADD CHECK (code >= 0)", "changed by someone");
}
TEST_F(others_ddl, a_constraint_is_dropped) {
    expect_noticed("ALTER TABLE public.t DROP CONSTRAINT positive", "changed by someone");
}
TEST_F(others_ddl, a_trigger_is_added) {
    expect_noticed("CREATE TRIGGER another AFTER UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.nothing()",
                   "changed by someone");
}
TEST_F(others_ddl, a_trigger_is_dropped) { expect_noticed("DROP TRIGGER theirs ON public.t", "changed by someone"); }
TEST_F(others_ddl, our_trigger_is_dropped) {
    expect_noticed("DROP TRIGGER pgeist_1_update ON public.t", "pgeist's triggers");
}
TEST_F(others_ddl, our_triggers_are_disabled) {
    expect_noticed("ALTER TABLE public.t DISABLE TRIGGER pgeist_1_delete", "pgeist's triggers");
}
// As a restore with --disable-triggers does: what was written in between is not in the log.
TEST_F(others_ddl, our_triggers_are_disabled_and_enabled_again) {
    expect_noticed("ALTER TABLE public.t DISABLE TRIGGER ALL; ALTER TABLE public.t ENABLE TRIGGER ALL",
                   "pgeist's triggers");
}
TEST_F(others_ddl, the_table_is_renamed) {
    expect_noticed("ALTER TABLE public.t RENAME TO elsewhere", "changed by someone", false);
}
TEST_F(others_ddl, the_table_is_dropped) { expect_noticed("DROP TABLE public.t", "dropped by someone", false); }
TEST_F(others_ddl, the_table_is_replaced) {
    expect_noticed("DROP TABLE public.t; CREATE TABLE public.t (id int PRIMARY KEY)", "dropped by someone", false);
}
TEST_F(others_ddl, the_tables_rows_are_rewritten_with_another_type) {
    expect_noticed("ALTER TABLE public.t ALTER amount TYPE double precision", "changed by someone");
}

TEST_F(others_ddl, rewriting_without_a_change_is_survived) {
    pgeist_process running = start({"--alter", "ALTER COLUMN code TYPE bigint", "--pause-file", pause_file.string()});
    running.wait_for_phase("copy");
    sql().execute("VACUUM FULL public.t");
    std::filesystem::remove(pause_file);
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("code"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
    expect_cleanup_leaves_nothing();
}

TEST_F(others_ddl, while_the_swap_is_postponed_it_is_noticed_too) {
    std::filesystem::remove(pause_file);
    pgeist_process running = start({"--alter", "ALTER COLUMN code TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    sql().execute("CREATE INDEX ON public.t (amount)");
    const run_result result = running.finish(30s);
    EXPECT_TRUE(exited(result, 1));
    EXPECT_EQ(type_of("code"), "integer");
    expect_cleanup_leaves_nothing();
}

// ---------------------------------------------------------------------------------------------------------------------

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
    expect_no_matter({"DateStyle = 'SQL, DMY'", "IntervalStyle = 'sql_standard'", "extra_float_digits = -15",
                      "bytea_output = 'escape'", "TimeZone = 'Asia/Kolkata'", "client_encoding = 'LATIN1'",
                      "quote_all_identifiers = on", "standard_conforming_strings = off", "row_security = off",
                      "array_nulls = off", "transform_null_equals = on"});
}

TEST_F(settings_of_the_role, planner_and_client_settings_do_not_matter) {
    expect_no_matter({"enable_indexscan = off", "enable_nestloop = off", "client_min_messages = error",
                      "default_tablespace = 'pg_default'", "check_function_bodies = off", "work_mem = '64kB'",
                      "plan_cache_mode = force_generic_plan", "default_statistics_target = 1"});
}

TEST_F(settings_of_the_role, a_limit_of_connections_stops_it_with_exit_9_and_it_can_be_resumed) {
    sql().execute("ALTER ROLE " + owner + " CONNECTION LIMIT 2");
    const run_result result = run_pgeist(db().uri_as(owner), {"run", "--table", "public.t", "--alter",
                                                              "ALTER COLUMN id TYPE bigint", "--reconnect-max", "1s"});
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"too many connections"}));
    sql().execute("ALTER ROLE " + owner + " CONNECTION LIMIT -1");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"resume", text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
}

TEST_F(settings_of_the_role, a_limit_of_temporary_files_stops_the_build_and_it_can_be_resumed) {
    sql().execute("CREATE INDEX wide ON public.t (repeat(note, 100))");
    sql().execute(
        "INSERT INTO public.t SELECT i, now(), '2024-01-02', 'n' || i FROM generate_series(1001, 30000) AS i; "
        "DROP TABLE public.expected; CREATE TABLE public.expected AS TABLE public.t");
    // Superusers' setting, on the owner: 1 MB of temporary files, and memory that makes the sort need more.
    sql().execute("ALTER ROLE " + owner + " SET temp_file_limit = '1MB'");
    const run_result result = run_pgeist(
        db().uri_as(owner),
        {"run", "--table", "public.t", "--alter", "ALTER COLUMN id TYPE bigint", "--maintenance-work-mem", "1MB"});
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"temp_file_limit"}));
    sql().execute("ALTER ROLE " + owner + " RESET temp_file_limit");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"resume", text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
}

// ---------------------------------------------------------------------------------------------------------------------

class hostile_names : public run_test {
protected:
    /// A name out of pieces that break whoever forgets to quote; at most 63 bytes, cut between characters.
    std::string name(random_engine& random, const std::string& kind) {
        static const std::vector<std::string> pieces{"\"",
                                                     "'",
                                                     "\\",
                                                     "%",
                                                     "%s",
                                                     "{}",
                                                     "{0}",
                                                     "$$",
                                                     "$1",
                                                     "$body$",
                                                     ";",
                                                     "--",
                                                     "/*",
                                                     "*/",
                                                     "\n",
                                                     "\t",
                                                     " ",
                                                     ".",
                                                     "ä",
                                                     "漢字",
                                                     "\xF0\x9F\x90\x98",
                                                     "@job@",
                                                     "@table@",
                                                     "A",
                                                     "select",
                                                     "\"; DROP TABLE public.canary; --",
                                                     "'); DROP TABLE public.canary; --",
                                                     ":x",
                                                     "?",
                                                     "\r"};
        std::string text = kind + std::to_string(++counter);
        while (true) {
            const std::string& piece =
                pieces[static_cast<std::size_t>(pick(random, 0, static_cast<long long>(pieces.size()) - 1))];
            if (text.size() + piece.size() > 63 || (text.size() > 12 && chance(random, 8))) {
                return text;
            }
            text += piece;
        }
    }

    std::string q(const std::string& text) { return sql().identifier(text); }

    int counter = 0;
};

TEST_F(hostile_names, are_only_names) {
    const std::uint64_t seed = workload_seed();
    random_engine random(seed);
    for (int round = 0; round < 6; ++round) {
        sql().execute("CREATE TABLE IF NOT EXISTS public.canary (id int)");
        const std::string schema = name(random, "s");
        const std::string table = name(random, "t");
        const std::string key = name(random, "k");
        const std::string plain = name(random, "c");
        const std::string added = name(random, "a");
        const std::string index = name(random, "i");
        const std::string check = name(random, "h");
        const std::string trigger = name(random, "g");
        const std::string full = q(schema) + "." + q(table);
        sql().execute("CREATE SCHEMA " + q(schema) + "; CREATE TABLE " + full + " (" + q(key) + " int PRIMARY KEY, " +
                      q(plain) + " text, CONSTRAINT " + q(check) + " CHECK (" + q(plain) + " <> 'no')); CREATE INDEX " +
                      q(index) + " ON " + full + " (lower(" + q(plain) + ")); INSERT INTO " + full +
                      " SELECT i, 'x' || i FROM generate_series(1, 500) AS i");
        sql().execute(
            "CREATE OR REPLACE FUNCTION public.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'");
        sql().execute("CREATE TRIGGER " + q(trigger) + " BEFORE UPDATE ON " + full +
                      " FOR EACH ROW EXECUTE FUNCTION public.keep()");
        const run_result result =
            command("run", {"--table", full, "--alter",
                            "ALTER COLUMN " + q(key) + " TYPE bigint, ADD COLUMN " + q(added) + " int", "--set",
                            q(added) + " = length(" + q(plain) + ")", "--chunk-rows", "100"});
        ASSERT_TRUE(exited(result, 0)) << "schema " << schema << ", table " << table;
        EXPECT_EQ(
            sql().scalar("SELECT count(*) || ' ' || sum(" + q(key) + ") || ' ' || sum(" + q(added) + ") FROM " + full),
            "500 125250 1892");
        EXPECT_EQ(
            sql().number("SELECT count(*) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = "
                         "$1::regclass AND x.relname = $2",
                         {full, index}),
            1);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conrelid = $1::regclass AND conname = $2",
                               {full, check}),
                  1);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_trigger WHERE tgrelid = $1::regclass AND tgname = $2",
                               {full, trigger}),
                  1);
        EXPECT_EQ(sql().scalar("SELECT to_regclass('public.canary') IS NOT NULL"), "t");
        const run_result status = command("status", {"--output", "json"});
        EXPECT_EQ(status.events().size(), 1U) << status.out;
        expect_cleanup_leaves_nothing();
    }
}

// The bodies of the trigger functions are quoted by dollars, and name the key's columns.
TEST_F(hostile_names, a_key_that_ends_a_dollar_quote_is_only_a_name) {
    const std::string key = "$$; $pgeist$; DROP TABLE public.canary; --";
    sql().execute("CREATE TABLE public.canary (id int); CREATE TABLE public.t (" + q(key) +
                  " int PRIMARY KEY); INSERT INTO public.t SELECT generate_series(1, 100)");
    pgeist_process running = start({"--alter", "ALTER COLUMN " + q(key) + " TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    sql().execute("UPDATE public.t SET " + q(key) + " = -1 WHERE " + q(key) + " = 7; DELETE FROM public.t WHERE " +
                  q(key) + " = 8");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().scalar("SELECT count(*) || ' ' || sum(" + q(key) + ") FROM public.t"), "99 5034");
    EXPECT_EQ(sql().scalar("SELECT to_regclass('public.canary') IS NOT NULL"), "t");
    expect_cleanup_leaves_nothing();
}

TEST_F(hostile_names, in_options_are_only_values) {
    make_table(100);
    sql().execute("CREATE TABLE public.canary (id int)");
    const std::string evil = "'; DROP TABLE public.canary; --";
    EXPECT_NE(command("run", {"--table", "t" + evil, "--repack"}).exit_code, 0);
    EXPECT_NE(command("run", {"--table", "\"t\"\"" + evil + "\"", "--repack"}).exit_code, 0);
    EXPECT_NE(run({"--repack", "--key", evil}).exit_code, 0);
    EXPECT_NE(
        run({"--repack", "--throttle-query", "SELECT 1); DROP TABLE public.canary; --", "--statement-timeout", evil})
            .exit_code,
        0);
    EXPECT_NE(run({"--alter", "ALTER COLUMN id TYPE bigint; DROP TABLE public.canary"}).exit_code, 0);
    EXPECT_NE(run({"--alter", "ADD COLUMN x int", "--set", "x = 1); DROP TABLE public.canary; --"}).exit_code, 0);
    EXPECT_NE(run({"--alter", "ADD COLUMN x int", "--set", "x = 1 FROM public.canary"}).exit_code, 0);
    EXPECT_EQ(sql().scalar("SELECT to_regclass('public.canary') IS NOT NULL"), "t");
    expect_cleanup_leaves_nothing();
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
