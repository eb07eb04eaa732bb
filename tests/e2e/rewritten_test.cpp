// Somebody rewrites the source in the course of a run, with values of his own: ALTER COLUMN … TYPE to the same type
// fires no trigger and leaves the definition as it is. Whatever is interrupted, and however little is compared: rows
// of before are never swapped in.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/gated_run.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {
namespace {

/// Rows 1 … 1000 in chunks of 100, one worker, which stands at row 550 while that gate is closed: in the copy, and in
/// the comparison, when the first five chunks are done. The other gate holds the index build, between the two.
class rewritten : public gated_run {
protected:
    void SetUp() override {
        gated_run::SetUp();
        if (IsSkipped()) {
            return;
        }
        building = std::make_unique<gate>(db(), 2);
        sql().execute("CREATE INDEX t_gated ON public.t ((" + building->expression("id = 700", "amount") + "))");
    }

    void TearDown() override {
        process.reset();
        building.reset();
        gated_run::TearDown();
    }

    void kill_in_the_comparison() {
        building->close();
        start_run();
        building->wait_until_reached();
        at_row->close();
        building->open();
        kill_at_row();
        ASSERT_EQ(chunks("verify"), 5);
    }

    void kill_at_row() {
        at_row->wait_until_reached();
        process->kill_hard();
        at_row->open();
        wait_for_job_state(db().uri(), "interrupted");
    }

    /// Six chunks are copied, and the run is paused.
    void pause_in_the_copy(const std::vector<std::string>& more) {
        at_row->close();
        start_run(more);
        at_row->wait_until_reached();
        EXPECT_TRUE(exited(command("pause", {job()}), 0));
        at_row->open();
    }

    void rewrite() {
        sql().execute("ALTER TABLE public.t ALTER COLUMN code TYPE int USING code + 1");
        digest = table_digest(sql(), "public.t");
    }

    long long chunks(const std::string& kind) {
        return sql().number("SELECT count(*) FROM pgeist.chunks WHERE kind = $1", {kind});
    }

    std::string job() { return text_of(only_job(db().uri()), "job"); }

    void expect_swapped_with_every_value(const run_result& result) {
        EXPECT_TRUE(exited(result, 0));
        EXPECT_EQ(type_of("id"), "bigint");
        expect_every_value();
    }

    /// Whatever --verify says: nothing else would have noticed the values.
    void expect_all_compared(const run_result& result) {
        EXPECT_TRUE(says(result, {"rewritten", "comparing every row"}));
        expect_swapped_with_every_value(result);
    }

    void expect_every_value() {
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE code IS DISTINCT FROM id * 10 + 1"), 0);
        EXPECT_EQ(table_digest(sql(), "public.t"), digest);
        expect_cleanup_leaves_nothing();
        EXPECT_EQ(table_digest(sql(), "public.t"), digest);
    }

    std::unique_ptr<gate> building;
    std::string digest;
};

TEST_F(rewritten, while_the_comparison_is_interrupted_all_is_compared_again) {
    kill_in_the_comparison();
    rewrite();
    expect_swapped_with_every_value(command("resume", {job()}));
}

TEST_F(rewritten, after_pgeist_verify_of_an_interrupted_job_all_is_compared_again) {
    kill_in_the_comparison();
    EXPECT_TRUE(exited(command("verify", {job()}), 0));
    ASSERT_GE(chunks("verify"), 10);
    rewrite();
    expect_swapped_with_every_value(command("resume", {job()}));
}

TEST_F(rewritten, in_the_copy_a_sample_is_not_enough) {
    pause_in_the_copy({"--verify", "sample:1"});
    rewrite();
    EXPECT_TRUE(exited(command("continue", {job()}), 0));
    expect_all_compared(process->finish());
}

TEST_F(rewritten, in_the_copy_a_whole_comparison_makes_up_for_it) {
    pause_in_the_copy({"--verify", "off", "--postpone-swap"});
    rewrite();
    EXPECT_TRUE(exited(command("continue", {job()}), 0));
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("verify", {job()}), 0));
    EXPECT_TRUE(exited(command("swap", {job()}), 0));
    expect_swapped_with_every_value(process->finish());
}

TEST_F(rewritten, in_the_copy_half_a_comparison_is_not_enough) {
    pause_in_the_copy({"--verify", "off", "--postpone-swap"});
    rewrite();
    EXPECT_TRUE(exited(command("continue", {job()}), 0));
    wait_for_job_state(db().uri(), "waiting_for_swap");
    process->kill_hard();
    wait_for_job_state(db().uri(), "interrupted");
    at_row->close();
    process = std::make_unique<pgeist_process>(db().uri(), std::vector<std::string>{"verify", job()});
    kill_at_row();
    process = std::make_unique<pgeist_process>(db().uri(), std::vector<std::string>{"resume", job()});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("swap", {job()}), 0));
    expect_all_compared(process->finish());
}

// What is written by way of a parent fires the parent's triggers, not the child's: nothing of it is in the log.
TEST_F(rewritten, as_somebodys_child_for_a_time_all_is_compared_again) {
    start_run({"--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sql().execute("CREATE TABLE public.parent (id int NOT NULL, code int)");
    sql().execute(
        "BEGIN; ALTER TABLE public.t INHERIT public.parent; UPDATE public.parent SET code = code + 1; "
        "ALTER TABLE public.t NO INHERIT public.parent; COMMIT");
    digest = table_digest(sql(), "public.t");
    EXPECT_TRUE(exited(command("swap", {job()}), 0));
    expect_all_compared(process->finish());
}

}  // namespace
}  // namespace pgeist::test
