// Backends terminated, networks that hang, servers that restart, crash and fail over: ridden out for as long as
// --reconnect-max says, on the same server only.

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/private_server.hpp"
#include "support/table_rows.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* widened = "ALTER COLUMN id TYPE bigint, ALTER COLUMN code TYPE bigint";

/// Gates as in a step-by-step run: in the copy, in an index build, and at rows whose note says so.
class lost : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        make_table(1000);
        proxy = std::make_unique<tcp_proxy>(db().address());
        copying = std::make_unique<gate>(db(), 1);
        building = std::make_unique<gate>(db(), 2);
        sql().execute(
            "ALTER TABLE public.t ADD CONSTRAINT code_once UNIQUE (code); CREATE INDEX t_gated ON public.t ((" +
            building->expression("id = 700", "amount") + "))");
        sql().execute("CREATE TABLE public.expected AS TABLE public.t");
    }

    void TearDown() override {
        process.reset();
        proxy.reset();
        copying.reset();
        building.reset();
        run_test::TearDown();
    }

    void start_through(const std::vector<std::string>& more = {}) {
        std::vector<std::string> arguments{
            "run",          "--output", "json",
            "--table",      "t",        "--alter",
            widened,        "--set",    "note = " + copying->expression("id = 550", "note"),
            "--chunk-rows", "100"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        process = std::make_unique<pgeist_process>(proxy->through(db().address()).uri(), arguments);
    }

    /// Ends the program's backends that a condition on pg_stat_activity picks. Returns how many.
    long long terminate(const std::string& condition) {
        return sql().number(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database() AND "
            "application_name LIKE 'pgeist%' AND " +
            condition);
    }

    /// Writes while the run is at work, to be found again.
    void write() {
        const std::string changes =
            "UPDATE public.@ SET note = 'later' WHERE id IN (20, 980); DELETE FROM public.@ WHERE id IN (30, 970); "
            "UPDATE public.@ SET id = -1 WHERE id = 40; ";
        for (const char* table : {"t", "expected"}) {
            std::string text = changes;
            for (std::size_t at = text.find('@'); at != std::string::npos; at = text.find('@')) {
                text.replace(at, 1, table);
            }
            sql().execute(text);
        }
    }

    void expect_finished(const run_result& result) {
        EXPECT_TRUE(exited(result, 0));
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
        EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
        expect_cleanup_leaves_nothing();
    }

    std::unique_ptr<tcp_proxy> proxy;
    std::unique_ptr<gate> copying;
    std::unique_ptr<gate> building;
    std::unique_ptr<pgeist_process> process;
    std::string seen_waiting = "{}";  ///< backends, as an array
};

TEST_F(lost, the_backend_of_a_worker_is_terminated) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    write();
    EXPECT_GE(terminate("query LIKE '%INSERT INTO%' AND state = 'active'"), 1);
    copying->open();
    expect_finished(process->finish());
}

TEST_F(lost, the_backend_of_the_lock_is_terminated) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    write();
    EXPECT_EQ(terminate("pid IN (SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND classid <> 7001)"), 1);
    copying->open();
    expect_finished(process->finish());
}

TEST_F(lost, every_backend_is_terminated_in_the_copy_and_in_the_build) {
    copying->close();
    building->close();
    start_through();
    copying->wait_until_reached();
    EXPECT_GE(terminate("true"), 3);
    copying->open();
    building->wait_until_reached();
    write();
    EXPECT_GE(terminate("true"), 2);
    building->open();
    expect_finished(process->finish());
}

TEST_F(lost, the_network_drops_everything_and_refuses_for_a_while) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    proxy->refuse(true);
    proxy->drop_all();
    write();
    process->wait_for_event("the loss", [](const auto& event) {
        return text_of(event, "text").find("connection lost") != std::string::npos;
    });
    copying->open();
    proxy->refuse(false);
    expect_finished(process->finish());
}

// The server's sessions live on, with their locks: the program ends them before it goes on.
TEST_F(lost, only_the_programs_side_is_told) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    proxy->half_close_all();
    process->wait_for_event("the connection", [](const auto& event) {
        return text_of(event, "text").find("connected again") != std::string::npos;
    });
    write();
    copying->open();
    expect_finished(process->finish());
}

// The second outage meets the session that the first attempt to go on has left on the server, with the job's lock.
TEST_F(lost, twice_while_it_takes_the_job_on_again) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    sync_connection row = db().connect();
    row.execute("BEGIN; SELECT FROM pgeist.jobs FOR KEY SHARE");  // the next tenure cannot begin
    for (int round = 0; round < 2; ++round) {
        proxy->half_close_all();
        wait_for("the run to wait for its tenure", [&] {
            return sql().number(
                       "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE "
                       "'%SET incarnation%' AND wait_event_type = 'Lock' AND pid <> ALL ($1::int[])",
                       {seen_waiting}) > 0;
        });
        seen_waiting = sql().scalar(
            "SELECT coalesce(array_agg(pid), '{}') FROM pg_stat_activity WHERE datname = current_database() AND query "
            "LIKE '%SET incarnation%' AND wait_event_type = 'Lock'");
    }
    row.execute("COMMIT");
    write();
    copying->open();
    expect_finished(process->finish());
}

// As when a cable is out, just when the run tells the server that it lives: nothing is closed, and nobody answers. The
// run gives the connections up by itself.
TEST_F(lost, the_network_hangs) {
    copying->close();
    start_through({"--reconnect-max", "5min"});
    copying->wait_until_reached();
    proxy->lay({"", "UPDATE pgeist.jobs SET rows_done", fate::held});
    proxy->wait_for_ambush();
    proxy->stall(true);
    write();
    process->wait_for_event(
        "the loss",
        [](const auto& event) { return text_of(event, "text").find("connection lost") != std::string::npos; }, 140s);
    proxy->stall(false);
    proxy->release();
    copying->open();
    expect_finished(process->finish());
}

// Shorter than what is taken for a loss: everything goes on where it was.
TEST_F(lost, the_network_hangs_for_a_moment) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    const std::string pids =
        "SELECT string_agg(pid::text, ',' ORDER BY pid) FROM pg_stat_activity WHERE datname = current_database() AND "
        "application_name LIKE 'pgeist%' AND backend_type = 'client backend' AND state = 'active'";
    const std::string before = sql().scalar(pids);
    proxy->stall(true);
    write();
    copying->open();  // the server goes on; its answers are held up
    wait_for("the end of the chunk's statement", [&] {
        return sql().number("SELECT count(*) FROM (" + pids + ") AS p(text) WHERE text = $1", {before}) == 0;
    });
    proxy->stall(false);
    const run_result result = process->finish();
    EXPECT_FALSE(result.mentions("connection lost")) << result.said();
    expect_finished(result);
}

// To everybody else its job looks interrupted while the connection is away.
TEST_F(lost, while_it_tries_again_its_job_is_left_alone_and_waited_for) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    pgeist_process comparing(db().uri(), {"verify", "1"});
    wait_for("the question", [&] { return sql().number("SELECT (control ? 'verify')::int FROM pgeist.jobs") == 1; });
    proxy->refuse(true);
    proxy->drop_all();
    wait_for_job_state(db().uri(), "interrupted");
    const run_result all = command("cleanup", {"--all"});
    EXPECT_TRUE(exited(all, 0));
    EXPECT_TRUE(says(all, {"job 1", "pgeist cleanup 1"}));
    EXPECT_EQ(job_list(db().uri()).size(), 1U);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE oid = to_regclass('pgeist_1.t')"), 1);
    const run_result steered = command("pause", {"1"});
    EXPECT_TRUE(exited(steered, 3));
    EXPECT_TRUE(says(steered, {"may be reconnecting"}));
    const std::string now = sql().scalar("SELECT clock_timestamp()");
    wait_for("the one who waits for the comparison to have looked", [&] {
        return !comparing.process().running() ||
               sql().number(
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE "
                   "'%compared%' AND pid <> pg_backend_pid() AND query_start > $1::timestamptz",
                   {now}) > 0;
    });
    proxy->refuse(false);
    copying->open();
    write();
    const run_result compared = comparing.finish();
    EXPECT_TRUE(exited(compared, 0));
    EXPECT_TRUE(says(compared, {"0 differences"}));
    expect_finished(process->finish());
}

TEST_F(lost, what_a_killed_run_leaves_cleanup_all_removes_at_once) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    process->kill_hard();
    copying->open();
    wait_for_job_state(db().uri(), "interrupted");
    expect_cleanup_leaves_nothing();
}

// From elsewhere nobody can tell whether it was killed or only its connection.
TEST_F(lost, what_a_run_of_another_host_leaves_cleanup_all_removes_when_it_cannot_come_back) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    process->kill_hard();
    copying->open();
    wait_for_job_state(db().uri(), "interrupted");
    sql().execute("UPDATE pgeist.jobs SET process = 'another boot' || process");
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    EXPECT_EQ(job_list(db().uri()).size(), 1U);
    sql().execute("UPDATE pgeist.jobs SET updated_at = updated_at - interval '11 min'");
    expect_cleanup_leaves_nothing();
}

TEST_F(lost, the_network_is_slow) {
    proxy->delay(5ms);
    start_through();
    write();
    expect_finished(process->finish());
}

TEST_F(lost, for_longer_than_allowed_it_is_exit_9_and_resumable_from_another_host) {
    building->close();
    start_through({"--reconnect-max", "2s"});
    building->wait_until_reached();
    proxy->cut();
    const run_result result = process->finish();
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"--reconnect-max", "pgeist resume"}));
    building->open();
    write();
    wait_for_job_state(db().uri(), "interrupted");
    expect_finished(command("resume", {text_of(only_job(db().uri()), "job")}));
}

TEST_F(lost, a_signal_while_it_tries_to_reconnect_is_exit_6) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    proxy->cut();
    process->wait_for_event("the loss", [](const auto& event) {
        return text_of(event, "text").find("connection lost") != std::string::npos;
    });
    process->signal(SIGTERM);
    EXPECT_TRUE(exited(process->finish(15s), 6));
    copying->open();
    wait_for_job_state(db().uri(), "interrupted");
    expect_finished(command("resume", {text_of(only_job(db().uri()), "job")}));
}

// The run writes down what has happened before it tries to get the connection back: a signal in that moment counts.
TEST_F(lost, a_signal_just_before_it_tries_to_reconnect_is_exit_6) {
    gate noting(db(), 3);
    const auto noting_since = [&] {
        return sql().scalar(
            "SELECT coalesce(max(query_start)::text, '') FROM pg_stat_activity WHERE datname = current_database() AND "
            "query LIKE 'INSERT INTO pgeist.events%' AND wait_event = 'advisory'");
    };
    copying->close();
    building->close();
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE public.t SET code = code WHERE id = 2");  // capture waits
    start_through();
    process->wait_for_event("lock_wait", [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    sql().execute("CREATE FUNCTION public.noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM " +
                  noting.expression("true", "1") +
                  "; RETURN NEW; END $$; CREATE TRIGGER noted BEFORE INSERT ON pgeist.events FOR EACH ROW EXECUTE "
                  "FUNCTION public.noted()");
    noting.close();
    writer.execute("COMMIT");
    noting.wait_until_reached();
    copying->wait_until_reached();
    copying->open();  // what begins now is still to be written down when the connection is lost
    building->wait_until_reached();
    const std::string before = noting_since();
    sql().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 7001 AND "
        "objid = 2 AND NOT granted AND database = (SELECT oid FROM pg_database WHERE datname = "
        "current_database())");
    wait_for("the notes after the loss", [&] {
        const std::string now = noting_since();
        return !now.empty() && now != before;
    });
    process->signal(SIGTERM);
    process->wait_for_event(
        "the signal", [](const auto& event) { return text_of(event, "text").find("stopping") != std::string::npos; });
    noting.open();
    building->open();
    const run_result result = process->finish(30s);
    EXPECT_TRUE(exited(result, 6));
    EXPECT_FALSE(result.mentions("trying again")) << result.said();
    wait_for_job_state(db().uri(), "interrupted");
    expect_finished(command("resume", {text_of(only_job(db().uri()), "job")}));
}

TEST_F(lost, and_a_job_that_another_process_has_taken_on_is_left_to_it) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    proxy->refuse(true);
    proxy->drop_all();
    wait_for_job_state(db().uri(), "interrupted");
    pgeist_process other(db().uri(), {"resume", text_of(only_job(db().uri()), "job"), "--output", "json"});
    copying->wait_until_reached();
    wait_for_job_state(db().uri(), "running");
    proxy->refuse(false);
    const run_result left = process->finish();
    EXPECT_TRUE(exited(left, 8));
    EXPECT_TRUE(says(left, {"pid"}));
    copying->open();
    expect_finished(other.finish());
}

TEST_F(lost, a_database_of_the_same_name_that_is_another_one_is_not_touched) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    const std::string incarnation = sql().scalar("SELECT incarnation FROM pgeist.jobs");
    proxy->refuse(true);
    proxy->drop_all();
    copying->open();
    wait_for_job_state(db().uri(), "interrupted");
    disconnect();
    copying.reset();
    building.reset();
    sync_connection admin(db().address().with("dbname", "postgres").uri());
    const std::string name = db().name();
    const auto no_sessions = [&] {
        return admin.number("SELECT count(*) FROM pg_stat_activity WHERE datname = $1", {name}) == 0;
    };
    wait_for("the end of all sessions", no_sessions);
    // A copy, as a restored backup is one, under the name of the original.
    admin.execute("ALTER DATABASE " + name + " RENAME TO " + name + "_away");
    admin.execute("CREATE DATABASE " + name + " TEMPLATE " + name + "_away");
    proxy->refuse(false);
    const run_result result = process->finish();
    process.reset();
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"not the one", "another database"}));
    {
        sync_connection copy = db().connect();
        EXPECT_EQ(
            copy.number("SELECT count(*) FROM pgeist.jobs WHERE incarnation = $1 AND message IS NULL", {incarnation}),
            1);
    }
    admin.execute("DROP DATABASE " + name + " WITH (FORCE)");
    admin.execute("ALTER DATABASE " + name + "_away RENAME TO " + name);
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
}

TEST_F(lost, a_server_whose_state_of_the_job_is_older_is_not_touched) {
    copying->close();
    start_through();
    copying->wait_until_reached();
    proxy->refuse(true);
    proxy->drop_all();
    copying->open();
    wait_for_job_state(db().uri(), "interrupted");
    sql().execute("UPDATE pgeist.jobs SET incarnation = 0");
    proxy->refuse(false);
    const run_result result = process->finish();
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"not the one", "earlier time"}));
    EXPECT_EQ(sql().number("SELECT incarnation FROM pgeist.jobs"), 0);
}

// ---------------------------------------------------------------------------------------------------------------------
// Servers of the tests' own, to be stopped, crashed and promoted.

class server_lost : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            version = server_major(sql());
            server = std::make_unique<private_server>(version);
            prepare();
        }
    }

    void TearDown() override {
        server.reset();
        run_test::TearDown();
    }

    void prepare() {
        sync_connection there(server->address().uri());
        there.execute(
            "CREATE TABLE public.t (id int PRIMARY KEY, note text, code int UNIQUE); INSERT INTO public.t SELECT i, "
            "'note ' || i, i FROM generate_series(1, 20000) AS i; CREATE TABLE public.expected AS TABLE public.t");
    }

    static std::vector<std::string> slow_run() {
        return {"run",          "--output", "json",       "--table", "t",        "--alter", widened,
                "--chunk-rows", "200",      "--max-rate", "8000",    "--verify", "full"};
    }

    /// Runs until the rows done of this phase grow, does what is to be done, and expects the end of the run to be
    /// right.
    void expect_ridden_out(const std::string& uri, const std::string& phase, const std::function<void()>& fault,
                           std::vector<std::string> arguments) {
        pgeist_process running(uri, std::move(arguments));
        running.wait_for_event("progress in " + phase, [&](const auto& event) {
            return text_of(event, "phase") == phase && number_of(event, "rows_done").value_or(0) > 1000;
        });
        fault();
        EXPECT_TRUE(exited(running.finish(), 0));
    }

    void expect_right(const conninfo& where) {
        sync_connection there(where.uri());
        EXPECT_EQ(
            there.scalar("SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'public.t'::regclass "
                         "AND attname = 'id'"),
            "bigint");
        EXPECT_EQ(differing_rows(there, "public.expected", "public.t"), std::vector<std::string>{});
        EXPECT_TRUE(exited(run_pgeist(where.uri(), {"cleanup", "--all"}), 0));
    }

    int version = 0;
    std::unique_ptr<private_server> server;
};

TEST_F(server_lost, it_restarts_in_the_copy) {
    const auto restart = [&] {
        server->stop("fast");
        server->start();
    };
    expect_ridden_out(server->address().uri(), "copy", restart, slow_run());
    expect_right(server->address());
}

TEST_F(server_lost, it_crashes_in_the_copy_and_in_the_verification) {
    const auto crash = [&] {
        server->stop("immediate");
        server->start();
    };
    pgeist_process running(server->address().uri(), slow_run());
    for (const std::string phase : {"copy", "verify"}) {
        running.wait_for_event("progress in " + phase, [&](const auto& event) {
            return text_of(event, "phase") == phase && number_of(event, "rows_done").value_or(0) > 1000;
        });
        crash();
    }
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_right(server->address());
}

TEST_F(server_lost, it_fails_over_to_its_replica) {
    private_server replica{replica_of{*server}};
    const conninfo first = server->address();
    const conninfo second = replica.address();
    const std::string both = "host=127.0.0.1,127.0.0.1 port=" + first.get("port") + "," + second.get("port") +
                             " user=postgres dbname=postgres target_session_attrs=read-write";
    const auto fail_over = [&] {
        server->stop("immediate");
        replica.promote();
    };
    expect_ridden_out(both, "copy", fail_over, slow_run());
    expect_right(second);
}

TEST_F(server_lost, another_cluster_at_its_address_is_not_touched) {
    tcp_proxy proxy(server->address());
    private_server stranger(version);
    {
        sync_connection there(stranger.address().uri());
        there.execute("CREATE TABLE public.t (id int PRIMARY KEY)");
    }
    pgeist_process running(proxy.through(server->address()).uri(), slow_run());
    running.wait_for_phase("copy");
    proxy.lead_to(stranger.address());
    proxy.drop_all();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 9));
    EXPECT_TRUE(says(result, {"not the one", "another cluster"}));
    sync_connection there(stranger.address().uri());
    EXPECT_EQ(there.number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist%'"), 0);
    EXPECT_TRUE(exited(run_pgeist(server->address().uri(), {"resume", "1"}), 0));
    expect_right(server->address());
}

}  // namespace
}  // namespace pgeist::test
