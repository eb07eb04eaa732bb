// Who still knows the old table by its OID after the swap: the parsed bodies of SQL functions wait for the lock and go
// on with the table that they have waited for. What they would write must not be lost without a word.

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class late_writers : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        make_table(500);
        // So that one attempt stands in the queue for as long as --lock-timeout says.
        sql().execute("ALTER DATABASE " + db().name() + " SET deadlock_timeout = '60s'");
        app_ = db().create_role("app");
        sql().execute("GRANT SELECT, INSERT, UPDATE, DELETE ON public.t TO " + app_);
    }

    void TearDown() override {
        running_.reset();
        run_test::TearDown();
    }

    void make_function(const std::string& name, const std::string& body) {
        sql().execute("CREATE FUNCTION public." + name + "(int) RETURNS bigint BEGIN ATOMIC " + body + "; END");
    }

    long long waiting_for_table() {
        return sql().number("SELECT count(*) FROM pg_locks WHERE relation = 'public.t'::regclass AND NOT granted");
    }

    /// The swap stands in the queue for the lock, behind a reader.
    void let_the_swap_wait(const std::vector<std::string>& more = {}) {
        std::vector<std::string> arguments{"--repack", "--postpone-swap", "--lock-timeout", "20s"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        running_.reset(new pgeist_process(start(arguments)));
        wait_for_job_state(db().uri(), "waiting_for_swap");
        reader_.emplace(db().connect());
        reader_->execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
        EXPECT_TRUE(exited(command("swap", {"1"}), 0));
        wait_for("the swap in the queue", [&] { return waiting_for_table() == 1; });
    }

    /// An ordinary role's statement, which stands behind the swap.
    sync_connection& call(const std::string& statement) {
        callers_.push_back(std::make_unique<sync_connection>(db().connect_as(app_)));
        callers_.back()->send(statement);
        const auto queued = static_cast<long long>(callers_.size()) + 1;
        wait_for("the caller in the queue: " + statement, [&] { return waiting_for_table() == queued; });
        return *callers_.back();
    }

    void swap() {
        reader_->execute("COMMIT");
        EXPECT_TRUE(exited(running_->finish(), 0));
    }

    static std::string outcome_of(sync_connection& caller) {
        try {
            caller.finish();
        } catch (const sql_error& failure) {
            return failure.sqlstate();
        }
        return "";
    }

    void expect_walled(const std::string& statement) { EXPECT_EQ(sql().sqlstate_of(statement), "40001") << statement; }

    const std::string& app() const { return app_; }

private:
    std::string app_;
    std::unique_ptr<pgeist_process> running_;
    std::optional<sync_connection> reader_;
    std::vector<std::unique_ptr<sync_connection>> callers_;
};

TEST_F(late_writers, through_a_function_are_asked_to_try_again) {
    make_function("added", "INSERT INTO t (id, note) VALUES ($1, 'added') RETURNING id");
    make_function("changed", "UPDATE t SET note = 'changed' WHERE id = $1 RETURNING id");
    make_function("removed", "DELETE FROM t WHERE id = $1 RETURNING id");
    let_the_swap_wait();
    sync_connection& insert = call("SELECT public.added(5001)");
    sync_connection& update = call("SELECT public.changed(7)");
    sync_connection& removal = call("SELECT public.removed(8)");
    sync_connection& plain = call("INSERT INTO public.t (id, note) VALUES (5002, 'plain')");
    swap();
    EXPECT_EQ(outcome_of(insert), "40001");
    EXPECT_EQ(outcome_of(update), "40001");
    EXPECT_EQ(outcome_of(removal), "40001");
    EXPECT_EQ(outcome_of(plain), "");
    insert.execute("SELECT public.added(5001)");
    update.execute("SELECT public.changed(7)");
    removal.execute("SELECT public.removed(8)");
    EXPECT_EQ(note_of(5001), "added");
    EXPECT_EQ(note_of(5002), "plain");
    EXPECT_EQ(note_of(7), "changed");
    EXPECT_EQ(note_of(8), "no row");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_1.t"), 500);
    expect_cleanup_leaves_nothing();
}

TEST_F(late_writers, meet_the_wall_also_when_the_old_table_is_dropped) {
    make_function("added", "INSERT INTO t (id, note) VALUES ($1, 'added') RETURNING id");
    let_the_swap_wait({"--drop-old"});
    sync_connection& insert = call("SELECT public.added(5001)");
    swap();
    const std::string outcome = outcome_of(insert);
    EXPECT_NE(outcome, "") << "written into a table that is gone";
    insert.execute("SELECT public.added(5001)");
    EXPECT_EQ(note_of(5001), "added");
    expect_cleanup_leaves_nothing();
}

// It wrote nothing, so nothing is lost: the answer is one of a moment before the swap.
TEST_F(late_writers, that_only_read_are_answered_once_from_the_old_table) {
    make_function("counted", "SELECT count(*) FROM t WHERE id >= $1");
    let_the_swap_wait();
    sync_connection& reading = call("SELECT public.counted(1)");
    swap();
    EXPECT_EQ(outcome_of(reading), "");
    sql().execute("INSERT INTO public.t (id) VALUES (5001)");
    EXPECT_EQ(reading.number("SELECT public.counted(1)"), 501);
}

// A queue's worker that waited would lock rows that another worker can have as well.
TEST_F(late_writers, that_lock_rows_are_warned_of) {
    make_function("taken", "SELECT id FROM t WHERE id > $1 ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED");
    make_function("shared", "SELECT count(*) FROM (SELECT FROM t WHERE id > $1 FOR KEY SHARE) AS s");
    make_function("counted", "SELECT count(*) FROM t WHERE id >= $1");
    const run_result result = command("plan", {"--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"taken(integer) locks rows", "shared(integer) locks rows"}));
    EXPECT_FALSE(says(result, {"counted(integer) locks rows"}));
}

TEST_F(late_writers, find_no_way_into_the_old_table) {
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    sql().execute("SET search_path = pgeist_1");
    expect_walled("INSERT INTO t (id) VALUES (9001)");
    expect_walled("INSERT INTO t (id) VALUES (1) ON CONFLICT DO NOTHING");
    expect_walled("UPDATE t SET note = 'lost'");
    expect_walled("DELETE FROM t WHERE id = 1");
    expect_walled("TRUNCATE t");
    expect_walled("COPY t (id) FROM PROGRAM 'echo 9002'");
    expect_walled("WITH gone AS (DELETE FROM t RETURNING *) SELECT count(*) FROM gone");
    if (sql().server_major() >= 15) {
        expect_walled(
            "MERGE INTO t USING (SELECT 1 AS id) s ON t.id = s.id WHEN MATCHED THEN UPDATE SET note = 'lost'");
    }
    expect_walled("BEGIN; SET LOCAL session_replication_role = replica; INSERT INTO t (id) VALUES (9003)");
    sql().execute("ROLLBACK");
    // Appliers of logical replication, and who comes by way of a parent, fire no triggers but those of rows.
    sql().execute("CREATE TABLE public.parent (LIKE pgeist_1.t) PARTITION BY RANGE (id)");
    sql().execute("ALTER TABLE public.parent ATTACH PARTITION pgeist_1.t FOR VALUES FROM (0) TO (10000)");
    expect_walled("INSERT INTO public.parent (id) VALUES (9004)");
    expect_walled("UPDATE public.parent SET note = 'lost' WHERE id = 1");
    expect_walled("DELETE FROM public.parent WHERE id = 1");
    sql().execute("ALTER TABLE public.parent DETACH PARTITION pgeist_1.t; DROP TABLE public.parent");
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE note LIKE 'note %'"), 500);
    sql().execute("INSERT INTO public.t (id) VALUES (9001)");
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
