// Two commands on one job, or one table, at once: one of them does its work, the other says who is at it (exit 8), and
// whatever the order, the table is whole.

#include <gtest/gtest.h>

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
