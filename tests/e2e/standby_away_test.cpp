// A synchronous standby that goes away while a strong lock is held: the program waits for it, the application does not.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/private_server.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// A server of its own, whose settings can be changed. The gate holds a transaction of pgeist's at its COMMIT.
class standby_away : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        server = std::make_unique<private_server>(server_major(sql()));
        there = std::make_unique<test_database>(server->address());
        admin = std::make_unique<sync_connection>(there->connect());
        probe = std::make_unique<sync_connection>(there->connect());
        committing = std::make_unique<gate>(*there, 1);
        admin->execute(
            "CREATE TABLE public.t (id int PRIMARY KEY, note text); INSERT INTO public.t SELECT i, 'n' || i FROM "
            "generate_series(1, 1000) AS i; CREATE TABLE public.other (n int PRIMARY KEY); CREATE TABLE public.probe "
            "(n int)");
    }

    void TearDown() override {
        if (away) {
            bring_standby_back();
        }
        committing.reset();
        probe.reset();
        admin.reset();
        there.reset();
        server.reset();
        run_test::TearDown();
    }

    pgeist_process begin(std::vector<std::string> more) {
        std::vector<std::string> arguments{
            "run", "--output", "json", "--table", "t", "--alter", "ALTER id TYPE bigint", "--lock-timeout", "5s"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return {there->uri(), std::move(arguments)};
    }

    /// The transaction that takes the job from one phase to another stops at its COMMIT.
    void stop_at_commit(const std::string& from, const std::string& to) {
        admin->execute(
            "CREATE FUNCTION public.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.gate(1, "
            "true, 1); RETURN NULL; END $$; "
            "CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON pgeist.jobs DEFERRABLE INITIALLY DEFERRED FOR EACH "
            "ROW WHEN (OLD.phase = '" +
            from + "' AND NEW.phase = '" + to + "') EXECUTE FUNCTION public.at_commit()");
        committing->close();
    }

    bool waits_for_standby(const std::string& who) {
        return admin->number("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND " + who) > 0;
    }

    /// From here on no commit is acknowledged by the standby that all have to wait for.
    void take_standby_away() {
        admin->execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
        admin->execute("SELECT pg_reload_conf()");
        const std::string commit = "INSERT INTO public.probe VALUES (1)";
        const std::string it = "pid = " + std::to_string(probe->backend_pid());
        wait_for("commits to wait for the standby", [&] {
            if (away && !probe->busy()) {
                probe->finish();  // committed before the setting took effect
                probe->send(commit);
            }
            if (!std::exchange(away, true)) {
                probe->send(commit);
            }
            return waits_for_standby(it);
        });
    }

    void bring_standby_back() {
        admin->execute("ALTER SYSTEM RESET synchronous_standby_names");
        admin->execute("SELECT pg_reload_conf()");
        probe->finish();
        away = false;
    }

    /// Who stands behind the lock gets on as soon as the transaction that holds it is let go.
    void expect_not_held_up(const std::string& statement) {
        sync_connection application = there->connect();
        application.execute("SET statement_timeout = '10s'; SET synchronous_commit = local");
        application.send(statement);
        wait_for("the application to stand behind the lock", [&] {
            return admin->number("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = $1",
                                 {std::to_string(application.backend_pid())}) > 0;
        });
        committing->open();
        EXPECT_NO_THROW(application.finish());
    }

    std::string type_of_id() {
        return admin->scalar(
            "SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 'public.t'::regclass AND attname = "
            "'id'");
    }

    std::unique_ptr<private_server> server;
    std::unique_ptr<test_database> there;
    std::unique_ptr<sync_connection> admin;
    std::unique_ptr<sync_connection> probe;
    std::unique_ptr<gate> committing;
    bool away = false;
};

TEST_F(standby_away, readers_do_not_wait_for_it_at_the_swaps_commit) {
    pgeist_process running = begin({"--postpone-swap"});
    running.wait_for_phase("swap");
    stop_at_commit("swap", "finish");
    EXPECT_TRUE(exited(run_pgeist(there->uri(), {"swap", "1"}), 0));
    committing->wait_until_reached();
    take_standby_away();
    expect_not_held_up("SELECT count(*) FROM public.t");
    EXPECT_EQ(type_of_id(), "bigint");
    // Its own commit may wait, or stand behind a beat of its heart, which waits with the job's row.
    wait_for("the run to wait for the standby", [&] {
        return admin->number(
                   "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%SET phase%' AND (wait_event = 'SyncRep' "
                   "OR "
                   "wait_event_type = 'Lock')") > 0;
    });
    EXPECT_EQ(running.process().out().find("\"event\":\"swap\""), std::string::npos)
        << "told of before the standby has it";
    bring_standby_back();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(result.events("swap").size(), 1U);
}

TEST_F(standby_away, writers_do_not_wait_for_it_when_capture_begins) {
    EXPECT_TRUE(exited(run_pgeist(there->uri(), {"run", "--table", "other", "--repack"}), 0));  // makes schema pgeist
    stop_at_commit("capture", "copy");
    pgeist_process running = begin({});
    committing->wait_until_reached();
    take_standby_away();
    expect_not_held_up("INSERT INTO public.t VALUES (1001, 'meanwhile')");
    bring_standby_back();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of_id(), "bigint");
    EXPECT_EQ(admin->number("SELECT count(*) FROM public.t"), 1001);
}

TEST_F(standby_away, readers_do_not_wait_for_it_when_the_triggers_are_removed) {
    pgeist_process running = begin({"--postpone-swap"});
    running.wait_for_phase("swap");
    running.kill_hard();
    wait_for_job_state(there->uri(), "interrupted");
    // A trigger of the database's own, at the end of the statement that drops the triggers: nothing else is there then.
    admin->execute(
        "CREATE FUNCTION public.at_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.gate(1, "
        "true, 1); END $$; CREATE EVENT TRIGGER at_drop ON sql_drop WHEN TAG IN ('DROP TRIGGER') EXECUTE FUNCTION "
        "public.at_drop()");
    committing->close();
    pgeist_process cleaning(there->uri(), {"cleanup", "1"});
    committing->wait_until_reached();
    take_standby_away();
    expect_not_held_up("SELECT count(*) FROM public.t");
    bring_standby_back();
    EXPECT_TRUE(exited(cleaning.finish(), 0));
    EXPECT_EQ(admin->number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.t'::regclass"), 0);
}

}  // namespace
}  // namespace pgeist::test
