// Two commands on one job, or one table, at once: one of them does its work, the other says who is at it (exit 8), and
// whatever the order, the table is whole.

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

constexpr const char* widen = "ALTER COLUMN id TYPE bigint";

class at_once : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            make_table(1000);
            copying = std::make_unique<gate>(db(), 1);
            sql().execute("CREATE TABLE public.expected AS TABLE public.t");
        }
    }

    void TearDown() override {
        copying.reset();
        run_test::TearDown();
    }

    /// A job that was killed in its copy.
    std::string interrupted_job() {
        copying->close();
        pgeist_process running = start(
            {"--alter", widen, "--set", "note = " + copying->expression("id = 550", "note"), "--chunk-rows", "100"});
        copying->wait_until_reached();
        running.kill_hard();
        copying->open();
        wait_for_job_state(db().uri(), "interrupted");
        return text_of(only_job(db().uri()), "job");
    }

    /// Backends of the program that hold so many advisory locks of its own (one for the table, one for the job).
    std::string holder(int locks) {
        std::string pid;
        wait_for("the holder of the locks", [&] {
            const result_set found = sql().query(
                "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid <> $1::int::oid AND "
                "database = (SELECT oid FROM pg_database WHERE datname = current_database()) GROUP BY pid HAVING "
                "count(*) = $2",
                {std::to_string(gate::lock_class), std::to_string(locks)});
            pid = found.rows.size() == 1 ? found.rows[0][0].value_or("") : "";
            return !pid.empty();
        });
        return pid;
    }

    pgeist_process begin(std::vector<std::string> arguments) { return {db().uri(), std::move(arguments)}; }

    void expect_rows() { EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{}); }

    std::unique_ptr<gate> copying;
};

TEST_F(at_once, cleanup_and_everything_else_while_resume_is_at_work) {
    const std::string job = interrupted_job();
    copying->close();
    pgeist_process resuming = begin({"resume", job});
    copying->wait_until_reached();
    const std::string pid = holder(2);
    for (const run_result& other : {command("cleanup", {job}), command("resume", {job}), run({"--alter", widen})}) {
        EXPECT_TRUE(exited(other, 8));
        EXPECT_TRUE(says(other, {"held by another run", pid}));
    }
    EXPECT_EQ(job_list(db().uri()).size(), 1U);
    copying->open();
    EXPECT_TRUE(exited(resuming.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    expect_rows();
    expect_cleanup_leaves_nothing();
}

TEST_F(at_once, everything_else_while_cleanup_is_at_work) {
    const std::string job = interrupted_job();
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");  // cleanup has to wait with the triggers
    pgeist_process cleaning = begin({"cleanup", job});
    const std::string pid = holder(2);
    for (const run_result& other : {command("resume", {job}), command("cleanup", {job}), run({"--alter", widen})}) {
        EXPECT_TRUE(exited(other, 8));
        EXPECT_TRUE(says(other, {"held by another run", pid}));
    }
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(cleaning.finish(), 0));
    EXPECT_EQ(type_of("id"), "integer");
    expect_rows();
    expect_nothing_left();
    EXPECT_TRUE(exited(run({"--alter", widen}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

// A cleanup whose connection of the lock was ended without its knowing: whoever has taken the job on since keeps it.
TEST_F(at_once, a_cleanup_that_has_lost_its_lock_takes_nothing_from_whom_came_after) {
    const std::string job = interrupted_job();
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");  // cleanup has to wait with the triggers
    pgeist_process cleaning = begin({"cleanup", job});
    wait_for("cleanup to wait for the table", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'public.t'::regclass") > 0;
    });
    const std::string pid = holder(2);
    const std::string tenure = sql().scalar("SELECT incarnation FROM pgeist.jobs");
    EXPECT_EQ(sql().number("SELECT pg_terminate_backend($1)::int", {pid}), 1);
    const std::filesystem::path pause = std::filesystem::temp_directory_path() / ("pgeist-pause-" + db().name());
    std::ofstream(pause) << "";
    pgeist_process resuming = begin({"resume", job, "--pause-file", pause.string()});
    wait_for("the next tenure",
             [&] { return sql().number("SELECT (incarnation > $1)::int FROM pgeist.jobs", {tenure}) == 1; });
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(cleaning.finish(), 8));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.t'::regclass AND tgname LIKE "
                           "'pgeist%'"),
              5);
    std::filesystem::remove(pause);
    EXPECT_TRUE(exited(resuming.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    expect_rows();
    expect_cleanup_leaves_nothing();
}

// The same where the old table is all that is left to drop.
TEST_F(at_once, a_cleanup_that_has_lost_its_lock_drops_nothing_that_a_later_run_keeps) {
    gate validating(db(), 2);
    sql().execute(
        "CREATE TABLE public.parent (code int PRIMARY KEY); INSERT INTO public.parent SELECT code FROM public.t; "
        "ALTER TABLE public.t ADD CONSTRAINT to_parent FOREIGN KEY (code) REFERENCES public.parent; "
        "CREATE FUNCTION public.before_validation() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF "
        "current_query() LIKE '%VALIDATE CONSTRAINT%' AND EXISTS (SELECT FROM pgeist.jobs WHERE phase = 'finish') THEN "
        "PERFORM public.gate(2, true, 1); END IF; END $$; CREATE EVENT TRIGGER before_validation ON ddl_command_start "
        "WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION public.before_validation()");
    validating.close();
    pgeist_process running = start({"--alter", widen});
    validating.wait_until_reached();
    running.kill_hard();
    validating.open();
    wait_for_job_state(db().uri(), "interrupted");
    sync_connection reader = db().connect();
    reader.execute("BEGIN; LOCK TABLE pgeist_1.t IN ACCESS SHARE MODE");  // cleanup has to wait with the old table
    pgeist_process cleaning = begin({"cleanup", "1"});
    const std::string dropping =
        "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'pgeist_1.t'::regclass AND mode = "
        "'AccessExclusiveLock'";
    wait_for("cleanup to wait for the old table", [&] { return sql().number(dropping) > 0; });
    const std::string pid = holder(1);
    EXPECT_EQ(sql().number("SELECT pg_terminate_backend($1)::int", {pid}), 1);
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(cleaning.finish(), 8));
    EXPECT_EQ(text_of(only_job(db().uri()), "old_table"), "pgeist_1.t");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_1.t"), 1000);
    expect_rows();
    expect_cleanup_leaves_nothing();
}

// ---------------------------------------------------------------------------------------------------------------------
// Requests while a process takes the job on: obeyed, or told that they are not.

TEST_F(at_once, a_pause_while_resume_takes_the_job_on_is_obeyed) {
    const std::string job = interrupted_job();
    sync_connection other = db().connect();
    other.execute("BEGIN; LOCK TABLE pgeist_" + job + ".t IN SHARE ROW EXCLUSIVE MODE");
    pgeist_process resuming = begin({"resume", job});
    wait_for("resume to wait for the shadow", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = $1::regclass",
                            {"pgeist_" + job + ".t"}) == 1;
    });
    pgeist_process pausing = begin({"pause", job});
    wait_for("the request",
             [&] { return sql().number("SELECT count(*) FROM pgeist.jobs WHERE (control ->> 'paused')::bool") == 1; });
    other.execute("COMMIT");
    const run_result paused = pausing.finish();
    EXPECT_TRUE(exited(paused, 0));
    EXPECT_TRUE(says(paused, {"job " + job + ": paused"}));
    wait_for_job_state(db().uri(), "paused");
    EXPECT_TRUE(exited(command("continue", {job}), 0));
    EXPECT_TRUE(exited(resuming.finish(), 0));
    expect_rows();
    expect_cleanup_leaves_nothing();
}

TEST_F(at_once, a_request_that_resume_throws_away_is_not_acknowledged) {
    const std::string job = interrupted_job();
    sync_connection other = db().connect();
    other.execute("BEGIN; SELECT FROM pgeist.jobs FOR KEY SHARE");  // the next tenure cannot begin
    const std::filesystem::path pause = std::filesystem::temp_directory_path() / ("pgeist-pause-" + db().name());
    std::ofstream(pause) << "";
    pgeist_process resuming = begin({"resume", job, "--pause-file", pause.string()});
    wait_for("resume to wait for its tenure", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%SET "
                   "incarnation%' AND wait_event_type = 'Lock'") == 1;
    });
    pgeist_process pausing = begin({"pause", job});
    wait_for("the request",
             [&] { return sql().number("SELECT count(*) FROM pgeist.jobs WHERE (control ->> 'paused')::bool") == 1; });
    other.execute("COMMIT");
    EXPECT_TRUE(exited(command("set", {job, "workers=3"}), 0));  // must not answer for the pause
    const run_result asked = pausing.finish();
    EXPECT_TRUE(exited(asked, 3));
    EXPECT_TRUE(says(asked, {"ask again"}));
    std::filesystem::remove(pause);
    EXPECT_TRUE(exited(resuming.finish(), 0));
    expect_rows();
    expect_cleanup_leaves_nothing();
}

// Started together, again and again: either order, and every way of meeting, is allowed, and none does harm.
TEST_F(at_once, resume_and_cleanup_started_together) {
    for (int round = 0; round < 4; ++round) {
        const std::string job = interrupted_job();
        std::vector<std::vector<std::string>> commands{{"resume", job}, {"cleanup", job}};
        const std::size_t first = static_cast<std::size_t>(round % 2);
        pgeist_process one = begin(commands[first]);
        pgeist_process two = begin(commands[1 - first]);
        const run_result one_done = one.finish();
        const run_result two_done = two.finish();
        const run_result& resumed = first == 0 ? one_done : two_done;
        const run_result& cleaned = first == 0 ? two_done : one_done;
        EXPECT_TRUE((std::set<int>{0, 3, 8}.contains(resumed.exit_code))) << resumed.exit_code << resumed.said();
        EXPECT_TRUE((std::set<int>{0, 8}.contains(cleaned.exit_code))) << cleaned.exit_code << cleaned.said();
        EXPECT_TRUE(resumed.exit_code == 0 || cleaned.exit_code == 0) << resumed.said() << cleaned.said();
        EXPECT_EQ(type_of("id"), resumed.exit_code == 0 ? "bigint" : "integer");
        expect_rows();
        expect_cleanup_leaves_nothing();
        sql().execute("ALTER TABLE public.t ALTER id TYPE int");
    }
}

TEST_F(at_once, cleanup_and_run_started_together) {
    for (int round = 0; round < 4; ++round) {
        const std::string job = interrupted_job();
        std::vector<std::vector<std::string>> commands{{"run", "--table", "t", "--alter", widen}, {"cleanup", job}};
        const std::size_t first = static_cast<std::size_t>(round % 2);
        pgeist_process one = begin(commands[first]);
        pgeist_process two = begin(commands[1 - first]);
        const run_result one_done = one.finish();
        const run_result two_done = two.finish();
        const run_result& ran = first == 0 ? one_done : two_done;
        const run_result& cleaned = first == 0 ? two_done : one_done;
        // 3: the interrupted job was still there.
        EXPECT_TRUE((std::set<int>{0, 3, 8}.contains(ran.exit_code))) << ran.exit_code << ran.said();
        EXPECT_TRUE((std::set<int>{0, 8}.contains(cleaned.exit_code))) << cleaned.exit_code << cleaned.said();
        EXPECT_EQ(type_of("id"), ran.exit_code == 0 ? "bigint" : "integer");
        expect_rows();
        expect_cleanup_leaves_nothing();
        sql().execute("ALTER TABLE public.t ALTER id TYPE int");
    }
}

TEST_F(at_once, two_runs_of_one_change_started_together) {
    for (int round = 0; round < 3; ++round) {
        pgeist_process one = begin({"run", "--table", "t", "--alter", widen});
        pgeist_process two = begin({"run", "--table", "t", "--alter", widen});
        const run_result one_done = one.finish();
        const run_result two_done = two.finish();
        EXPECT_TRUE(one_done.exit_code == 0 || two_done.exit_code == 0) << one_done.said() << two_done.said();
        for (const run_result& each : {one_done, two_done}) {
            EXPECT_TRUE(each.exit_code == 0 || each.exit_code == 8) << each.exit_code << each.said();
        }
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(job_list(db().uri()).size(), 1U) << "the second has nothing to do, or was refused";
        expect_rows();
        expect_cleanup_leaves_nothing();
        sql().execute("ALTER TABLE public.t ALTER id TYPE int");
    }
}

}  // namespace
}  // namespace pgeist::test
