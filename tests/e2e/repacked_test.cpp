// Somebody rewrites the source in the course of a run and leaves all values as they are: CLUSTER, VACUUM FULL, and
// PostgreSQL 19's REPACK (CONCURRENTLY), to whose commit older snapshots see the table empty. No run ends by it.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "e2e/gated_run.hpp"
#include "support/json_lines.hpp"
#include "support/private_server.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

/// Repeats one statement in a thread of its own, until it was done `most` times: REPACK (CONCURRENTLY) keeps other
/// strong locks away all the time that it takes, and in an endless row of them no swap would ever find a moment.
class repeated {
public:
    repeated(test_database& database, std::string statement, long long most)
        : thread_([this, connection = std::make_shared<sync_connection>(database.connect()),
                   statement = std::move(statement), most](const std::stop_token& stop) {
              while (!stop.stop_requested() && done_ < most) {
                  try {
                      connection->execute(statement);
                      ++done_;
                  } catch (const sql_error&) {
                      ++failed_;
                  }
              }
          }) {}

    /// Lets it end; how often it was done.
    long long stop() {
        thread_.request_stop();
        thread_.join();
        return done_;
    }

    [[nodiscard]] long long done() const { return done_; }
    [[nodiscard]] long long failed() const { return failed_; }

private:
    std::atomic<long long> done_{0};
    std::atomic<long long> failed_{0};
    std::jthread thread_;
};

/// Rows 1 … 1000 in chunks of 100, one worker, which stands at row 550 while the gate is closed.
class repacked : public gated_run {
protected:
    std::string job() { return text_of(only_job(db().uri()), "job"); }

    /// Has `statement` run where the copy has stood at row 550 and is paused; the run goes on, to stand there again or
    /// not.
    void rewrite_in_the_copy(const std::string& statement, bool again = false) {
        at_row->wait_until_reached();
        EXPECT_TRUE(exited(command("pause", {job()}), 0));
        at_row->open();
        wait_for_job_state(db().uri(), "paused");
        sql().execute(statement);
        if (again) {
            at_row->close();
        }
        EXPECT_TRUE(exited(command("continue", {job()}), 0));
    }

    run_result finish_swapped(const std::string& digest) {
        run_result result = process->finish();
        EXPECT_TRUE(exited(result, 0));
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(table_digest(sql(), "public.t"), digest);
        return result;
    }

    void passes_before_the_swap(const std::string& statement) {
        const std::string digest = table_digest(sql(), "public.t");
        start_run({"--verify", "off", "--postpone-swap"});
        wait_for_job_state(db().uri(), "waiting_for_swap");
        sql().execute(statement);
        EXPECT_TRUE(exited(command("swap", {job()}), 0));
        const run_result result = finish_swapped(digest);
        EXPECT_FALSE(says(result, {"rewritten"}));
        EXPECT_EQ(result.events("verify").size(), 0U);
    }
};

TEST_F(repacked, vacuum_full_before_the_swap_passes) {
    passes_before_the_swap("VACUUM FULL public.t");
    expect_cleanup_leaves_nothing();
}

TEST_F(repacked, cluster_before_the_swap_passes_and_its_mark_is_carried) {
    sql().execute("CREATE INDEX by_code ON public.t (code)");
    passes_before_the_swap("CLUSTER public.t USING by_code");
    EXPECT_EQ(sql().scalar("SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'public.t'::regclass AND "
                           "indisclustered"),
              "by_code");
    expect_cleanup_leaves_nothing();
}

TEST_F(repacked, cluster_in_a_copy_by_key_passes) {
    const std::string digest = table_digest(sql(), "public.t");
    at_row->close();
    start_run({"--copy-order", "key", "--verify", "off"});
    rewrite_in_the_copy("CLUSTER public.t USING t_pkey");
    EXPECT_FALSE(says(finish_swapped(digest), {"starts again"}));
    expect_cleanup_leaves_nothing();
}

TEST_F(repacked, vacuum_full_in_a_copy_by_file_lets_it_start_again_and_the_second_time_by_key) {
    const std::string digest = table_digest(sql(), "public.t");
    at_row->close();
    start_run({"--copy-order", "heap", "--verify", "off"});
    rewrite_in_the_copy("VACUUM FULL public.t", true);
    rewrite_in_the_copy("VACUUM FULL public.t");
    const run_result result = finish_swapped(digest);
    EXPECT_TRUE(says(result, {"the copy starts again\"", "the copy starts again, in the order of the key"}));
    expect_cleanup_leaves_nothing();
}

// Older snapshots see the table empty after it, and its rows do change: all of them are compared, though nobody asked.
TEST_F(repacked, replay_that_waited_for_a_rewriting_alter_sees_every_row) {
    start_run({"--verify", "off", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    auto other = db().connect();
    other.execute("BEGIN; ALTER TABLE public.t ALTER COLUMN code TYPE int USING code + 1");
    sql().execute("INSERT INTO pgeist_1.pgeist_log VALUES (7)");
    wait_for("replay waits for the table", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE relation = 'public.t'::regclass AND NOT granted") > 0;
    });
    other.execute("COMMIT");
    wait_for("the change is replayed", [&] { return sql().number("SELECT count(*) FROM pgeist_1.pgeist_log") == 0; });
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_1.t"), 1000);
    const std::string digest = table_digest(sql(), "public.t");
    EXPECT_TRUE(exited(command("swap", {job()}), 0));
    const run_result result = finish_swapped(digest);
    EXPECT_TRUE(says(result, {"rewritten", "comparing every row"}));
    EXPECT_EQ(result.events("verify").size(), 1U);
    expect_cleanup_leaves_nothing();
}

/// A whole run under REPACK (CONCURRENTLY), again and again, and writers.
class repacked_concurrently : public run_test {
protected:
    bool has_repack() { return server_major(sql()) >= 19; }

    void run_under(const std::string& statement, const std::vector<std::string>& change) {
        if (!has_repack()) {
            return;
        }
        const workload_shape shape = integer_key_shape(10000);
        sql().execute(shape.create);
        workload load(shape, workload_seed());
        load.add({.uri = db().uri(), .isolation = "READ COMMITTED"});
        load.add({.uri = db().uri(), .isolation = "REPEATABLE READ"});
        load.wait_for_more(20);
        repeated repack(db(), statement, 12);
        std::vector<std::string> arguments{"run",  "--table",        "t", "--chunk-rows", "300", "--max-rate",
                                           "5000", "--lock-timeout", "1s"};
        arguments.insert(arguments.end(), change.begin(), change.end());
        const run_result result = pgeist_process(db().uri(), arguments).finish(std::chrono::seconds(150));
        EXPECT_TRUE(exited(result, 0));
        times = repack.stop();
        failures = repack.failed();
        EXPECT_EQ(load.stop().failures, std::vector<std::string>{});
        EXPECT_EQ(differing_rows(sql(), shape.twin, shape.table), std::vector<std::string>{});
        expect_cleanup_leaves_nothing();
    }

    long long times = 0;
    long long failures = 0;
};

TEST_F(repacked_concurrently, the_source_by_key) {
    run_under("REPACK (CONCURRENTLY) public.t", {"--alter", "ALTER COLUMN id TYPE bigint", "--copy-order", "key"});
    EXPECT_TRUE(!has_repack() || times > 3) << times;
}

TEST_F(repacked_concurrently, the_source_by_file_without_verification) {
    run_under("REPACK (CONCURRENTLY) public.t", {"--repack", "--copy-order", "heap", "--verify", "off"});
    EXPECT_TRUE(!has_repack() || times > 3) << times;
}

TEST_F(repacked_concurrently, the_shadow) {
    run_under("REPACK (CONCURRENTLY) pgeist_1.t", {"--alter", "ALTER COLUMN id TYPE bigint", "--verify", "off"});
}

}  // namespace
}  // namespace pgeist::test
