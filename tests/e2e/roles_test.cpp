// Logins that are leased: their sessions become another role by themselves, and they end in the middle of a run.

#include <gtest/gtest.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using namespace std::chrono_literals;

class roles : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        owner = db().create_role("owner");
        login = db().create_role("login", "NOINHERIT");
        make_table(1000);
        sql().execute("ALTER ROLE " + owner + " NOLOGIN; GRANT " + owner + " TO " + login +
                      "; GRANT CREATE ON DATABASE " + db().name() + " TO " + owner +
                      "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner + "; ALTER TABLE public.t OWNER TO " +
                      owner + "; ALTER ROLE " + login + " IN DATABASE " + db().name() + " SET role = " + owner);
    }

    void TearDown() override {
        copying.reset();
        run_test::TearDown();
    }

    /// As the login, held at a row of the copy.
    std::unique_ptr<pgeist_process> held_run() {
        copying = std::make_unique<gate>(db(), 1);
        copying->close();
        auto running = std::make_unique<pgeist_process>(
            db().uri_as(login),
            std::vector<std::string>{"run", "--output", "json", "--table", "t", "--alter",
                                     "ALTER COLUMN id TYPE bigint", "--set",
                                     "note = " + copying->expression("id = 500", "note"), "--chunk-rows", "100"});
        copying->wait_until_reached();
        return running;
    }

    std::string owner;
    std::string login;
    std::unique_ptr<gate> copying;
};

TEST_F(roles, a_login_that_becomes_the_owner_by_itself_runs_a_whole_job) {
    EXPECT_TRUE(
        exited(run_pgeist(db().uri_as(login), {"run", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(login), {"cleanup", "--all"}), 0));
    expect_nothing_left();
}

TEST_F(roles, a_statement_of_such_a_login_is_cancelled_on_the_server) {
    const auto running = held_run();
    running->signal(SIGINT);
    EXPECT_TRUE(exited(running->finish(30s), 6));
    EXPECT_EQ(copying->waiting(), 0);
    copying->open();
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(login), {"resume", "1"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(roles, sessions_that_such_a_login_has_left_are_ended_by_who_resumes) {
    const auto running = held_run();
    running->signal(SIGSTOP);
    // What a network does that goes away for a while: only the session that holds the job is gone.
    sql().execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1885824362 "
        "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
    wait_for("the job to be nobody's", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = 1885824362 AND "
                   "database = (SELECT oid FROM pg_database WHERE datname = current_database())") == 0;
    });
    // The first run, stopped, opens no more. The second one's own sessions write with INSERT INTO too.
    const std::string before = sql().scalar("SELECT clock_timestamp()");
    pgeist_process second(db().uri_as(login), {"resume", "--output", "json", "1"});
    second.wait_for_phase("copy");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE "
                           "'INSERT INTO%' AND backend_start < '" +
                           before + "'"),
              0);
    copying->open();
    EXPECT_TRUE(exited(second.finish(), 0));
    running->kill_hard();
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
}

// What the superuser has made for the job in the meantime (checkpoints, the wall's function) is still the job's.
TEST_F(roles, a_job_that_a_superuser_went_on_with_is_gone_on_with_by_its_own_role) {
    {
        const auto running = held_run();
        running->kill_hard();
        copying->open();
    }
    sync_connection holder = db().connect();
    holder.execute("BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE");
    EXPECT_TRUE(exited(command("resume", {"1", "--swap-attempts", "2"}), 4));
    EXPECT_EQ(sql().scalar("SELECT to_regclass('pgeist_1.pgeist_file_walk') IS NOT NULL AND "
                           "to_regproc('pgeist_1.table_was_replaced') IS NOT NULL"),
              "t");
    holder.execute("COMMIT");
    const run_result compared = run_pgeist(db().uri_as(login), {"verify", "1"});
    EXPECT_TRUE(exited(compared, 0));
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(login), {"resume", "1"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(login), {"cleanup", "--all"}), 0));
    expect_nothing_left();
}

// Since PostgreSQL 16 who has a role's rights need not be able to give it anything.
TEST_F(roles, a_member_that_cannot_become_the_jobs_role_is_told_before_it_goes_on) {
    if (sql().server_major() < 16) {
        return;  // every member can become the role
    }
    {
        const auto running = held_run();
        running->kill_hard();
        copying->open();
    }
    const std::string heir = db().create_role("heir");
    sql().execute("GRANT " + owner + " TO " + heir + " WITH INHERIT TRUE, SET FALSE");
    const std::string before = sql().scalar("SELECT incarnation FROM pgeist.jobs");
    for (const char* name : {"resume", "verify"}) {
        const run_result refused = run_pgeist(db().uri_as(heir), {name, "1"});
        EXPECT_TRUE(exited(refused, 3)) << name;
        EXPECT_TRUE(says(refused, {"job 1 is role " + owner, "GRANT " + owner + " TO " + heir + " WITH SET TRUE"}))
            << name;
    }
    EXPECT_EQ(sql().scalar("SELECT incarnation FROM pgeist.jobs"), before);
    sql().execute("GRANT " + owner + " TO " + heir + " WITH SET TRUE");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(heir), {"resume", "1"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(roles, credentials_that_end_are_named_and_the_job_goes_on_with_new_ones) {
    const std::string lease = db().create_role("lease");
    sql().execute("ALTER TABLE public.t OWNER TO " + lease + "; GRANT USAGE, CREATE ON SCHEMA public TO " + lease +
                  "; GRANT CREATE ON DATABASE " + db().name() + " TO " + lease);
    copying = std::make_unique<gate>(db(), 1);
    copying->close();
    const std::vector<std::string> arguments{"run",
                                             "--output",
                                             "json",
                                             "--table",
                                             "t",
                                             "--alter",
                                             "ALTER COLUMN id TYPE bigint",
                                             "--set",
                                             "note = " + copying->expression("id = 500", "note"),
                                             "--chunk-rows",
                                             "100",
                                             "--reconnect-max",
                                             "2s"};
    const auto revoke = [&] {
        sql().execute("ALTER ROLE " + lease +
                      " NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                      "usename = '" +
                      lease + "'");
    };
    pgeist_process running(db().uri_as(lease), arguments);
    copying->wait_until_reached();
    revoke();
    const run_result ended = running.finish();
    EXPECT_TRUE(exited(ended, 9));
    EXPECT_TRUE(says(ended, {"is not permitted to log in", "pgeist resume 1"}));
    copying->open();
    sql().execute("ALTER ROLE " + lease + " LOGIN");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(lease), {"resume", "1"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
}

TEST_F(roles, credentials_that_are_renewed_in_time_are_enough) {
    const std::string lease = db().create_role("lease");
    sql().execute("ALTER TABLE public.t OWNER TO " + lease + "; GRANT USAGE, CREATE ON SCHEMA public TO " + lease +
                  "; GRANT CREATE ON DATABASE " + db().name() + " TO " + lease);
    pgeist_process running(db().uri_as(lease), {"run", "--output", "json", "--table", "t", "--alter",
                                                "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    sql().execute("ALTER ROLE " + lease +
                  " NOLOGIN; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE "
                  "usename = '" +
                  lease + "'");
    running.wait_for_event("a refused login", [](const auto& event) {
        return text_of(event, "event") == "message" &&
               text_of(event, "text").find("is not permitted to log in") != std::string::npos;
    });
    sql().execute("ALTER ROLE " + lease + " LOGIN");
    running.wait_for_event("the run to be connected again", [](const auto& event) {
        return text_of(event, "event") == "message" && text_of(event, "text").find("connected again") == 0;
    });
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(lease), {"swap", "1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

}  // namespace
}  // namespace pgeist::test
