// What is said and done between the swap and the end of the run: nothing there may sound, or act, as if the swap were
// still to come.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// A table with a foreign key, which the run validates when it has swapped; something happens just before that.
class after_swap : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        make_table(1000);
        sql().execute(
            "CREATE TABLE public.parent (code int PRIMARY KEY); INSERT INTO public.parent SELECT code FROM public.t; "
            "ALTER TABLE public.t ADD CONSTRAINT to_parent FOREIGN KEY (code) REFERENCES public.parent; "
            "CREATE TABLE public.expected AS TABLE public.t");
        validating = std::make_unique<gate>(db(), 1);
    }

    void TearDown() override {
        validating.reset();
        run_test::TearDown();
    }

    void before_validation(const std::string& what) {
        sql().execute(
            "CREATE OR REPLACE FUNCTION public.before_validation() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF current_query() LIKE '%VALIDATE CONSTRAINT%' AND EXISTS (SELECT FROM pgeist.jobs WHERE phase = "
            "'finish') THEN " +
            what +
            "; END IF; END $$; CREATE EVENT TRIGGER before_validation ON ddl_command_start WHEN TAG IN ('ALTER TABLE') "
            "EXECUTE FUNCTION public.before_validation()");
    }

    /// A run that will stand before the validation.
    pgeist_process begin(const std::string& uri, const std::vector<std::string>& more = {}) {
        before_validation("PERFORM public.gate(1, true, 1)");
        validating->close();
        std::vector<std::string> arguments{
            "run", "--output", "json", "--table", "t", "--alter", "ALTER COLUMN id TYPE bigint"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return {uri, std::move(arguments)};
    }

    /// It says that the table is changed, and nothing that was true before.
    static void expect_true_words(const run_result& result) {
        EXPECT_TRUE(says(result, {"new definition", "pgeist resume 1"}));
        for (const char* untrue :
             {"undo", "untouched", "captured", "capture goes on", "nothing was swapped", "cleanup"}) {
            EXPECT_FALSE(result.mentions(untrue)) << untrue << ": " << result.said();
        }
    }

    void expect_changed() {
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE NOT convalidated"), 0);
        EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
        expect_cleanup_leaves_nothing();
    }

    void let_it_beat() {
        const std::string seen = sql().scalar("SELECT updated_at FROM pgeist.jobs");
        wait_for("several signs of life", [&] {
            return sql().number("SELECT (updated_at > $1::timestamptz + interval '1 second')::int FROM pgeist.jobs",
                                {seen}) == 1;
        });
    }

    std::unique_ptr<gate> validating;
};

TEST_F(after_swap, the_size_of_the_change_log_does_not_end_the_run) {
    pgeist_process running = begin(db().uri());
    validating->wait_until_reached();
    sql().execute("INSERT INTO pgeist_1.pgeist_log SELECT i FROM generate_series(1, 50000) AS i");
    ASSERT_GT(sql().number("SELECT pg_table_size('pgeist_1.pgeist_log')"), 1 << 20);
    EXPECT_TRUE(exited(command("set", {"1", "max-log-size=1MB"}), 0));
    let_it_beat();
    validating->open();
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_changed();
}

TEST_F(after_swap, nor_does_it_while_the_swap_commits) {
    gate committing(db(), 2);
    pgeist_process running = start(
        {"--alter", "ALTER COLUMN id TYPE bigint", "--lock-timeout", "5s", "--postpone-swap", "--max-log-size", "1MB"});
    running.wait_for_phase("swap");
    sql().execute(
        "CREATE FUNCTION public.at_commit() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM public.gate(2, true, "
        "1); RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER at_commit AFTER UPDATE ON pgeist.jobs DEFERRABLE INITIALLY "
        "DEFERRED FOR EACH ROW WHEN (NEW.phase = 'finish' AND OLD.phase = 'swap') EXECUTE FUNCTION public.at_commit()");
    committing.close();
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    committing.wait_until_reached();
    sql().execute("INSERT INTO pgeist_1.pgeist_log SELECT i FROM generate_series(1, 50000) AS i");
    const std::string now = sql().scalar("SELECT clock_timestamp()");
    wait_for("a sign of life that begins after that", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%SET "
                   "rows_done%' AND pid <> pg_backend_pid() AND query_start > $1::timestamptz",
                   {now}) > 0;
    });
    committing.open();
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_changed();
}

TEST_F(after_swap, a_full_disk_is_told_with_what_holds_then) {
    before_validation("RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'");
    const run_result result = run({"--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"could not extend file"}));
    expect_true_words(result);
    sql().execute("DROP EVENT TRIGGER before_validation");
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    expect_changed();
}

TEST_F(after_swap, connections_lost_for_good_are_told_with_what_holds_then) {
    tcp_proxy proxy(db().address());
    pgeist_process running = begin(proxy.through(db().address()).uri(), {"--reconnect-max", "1s"});
    validating->wait_until_reached();
    proxy.cut();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 9));
    expect_true_words(result);
    validating->open();
    wait_for_job_state(db().uri(), "interrupted");
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    expect_changed();
}

// Statements that fail because of somebody's DDL are explained by it: but not by what the swap itself did.
TEST_F(after_swap, a_constraint_that_somebody_drops_is_told_with_what_holds_then) {
    pgeist_process running = begin(db().uri());
    validating->wait_until_reached();
    sql().execute("ALTER TABLE public.t DROP CONSTRAINT to_parent");
    validating->open();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"to_parent"}));
    expect_true_words(result);
    sql().execute("ALTER TABLE public.t ADD CONSTRAINT to_parent FOREIGN KEY (code) REFERENCES public.parent");
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    expect_changed();
}

TEST_F(after_swap, pause_and_cancel_are_refused) {
    pgeist_process running = begin(db().uri());
    validating->wait_until_reached();
    for (const char* what : {"pause", "cancel"}) {
        const run_result refused = command(what, {"1"});
        EXPECT_TRUE(exited(refused, 3));
        EXPECT_TRUE(says(refused, {"swapped the tables already"}));
    }
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "running");
    validating->open();
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_changed();
}

// ---------------------------------------------------------------------------------------------------------------------
// What is asked for while the swap's lock is asked for comes before the commit, and so it holds.

class at_the_swap : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            // The server's deadlock_timeout bounds how long one attempt waits.
            sql().execute("ALTER DATABASE " + db().name() + " SET deadlock_timeout = '30s'");
            blocker.emplace(db().connect());
            blocker->execute("BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE");
        }
    }

    void TearDown() override {
        blocker.reset();
        run_test::TearDown();
    }

    pgeist_process begin() { return start({"--alter", "ALTER COLUMN id TYPE bigint", "--lock-timeout", "20s"}); }

    void wait_for_attempt() {
        wait_for("an attempt that waits", [&] {
            return sql().number(
                       "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock' AND relation "
                       "= 'public.t'::regclass") > 0;
        });
    }

    /// Hands in a request, and lets the attempt that is under way get its lock.
    run_result ask_in_the_attempt(const std::string& what, const std::string& flag) {
        pgeist_process asking(db().uri(), {what, "1"});
        wait_for("the request", [&] {
            return sql().number("SELECT count(*) FROM pgeist.jobs WHERE (control ->> $1)::bool", {flag}) == 1;
        });
        blocker->execute("COMMIT");
        return asking.finish();
    }

    std::optional<sync_connection> blocker;
};

TEST_F(at_the_swap, a_cancel_during_the_attempt_is_obeyed) {
    pgeist_process running = begin();
    wait_for_attempt();
    const run_result asked = ask_in_the_attempt("cancel", "cancel");
    EXPECT_TRUE(exited(asked, 0));
    EXPECT_TRUE(says(asked, {"is being cancelled"}));
    EXPECT_TRUE(exited(running.finish(), 6));
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.jobs"), 0);
    expect_cleanup_leaves_nothing();
}

TEST_F(at_the_swap, a_pause_during_the_attempt_is_obeyed) {
    pgeist_process running = begin();
    wait_for_attempt();
    const run_result asked = ask_in_the_attempt("pause", "paused");
    EXPECT_TRUE(exited(asked, 0));
    EXPECT_TRUE(says(asked, {"paused"}));
    EXPECT_EQ(type_of("id"), "integer");
    wait_for_job_state(db().uri(), "paused");
    EXPECT_TRUE(exited(command("continue", {"1"}), 0));
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(result.events("swap").size(), 1U);
    EXPECT_EQ(type_of("id"), "bigint");
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
