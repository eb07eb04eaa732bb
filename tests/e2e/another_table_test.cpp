// Somebody renames the source, puts another table in its place, and undoes that: the run ends, and can be resumed. No
// row of the other table, or that it lacks, is ever taken for a current one.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/gated_run.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {
namespace {

/// Rows 1 … 1000 in chunks of 100, one worker, which stands at row 550 while the gate is closed.
class another_table : public gated_run {
protected:
    /// `first` and the replacement are committed at once.
    void replace(const std::string& first = "") {
        sql().execute("BEGIN; " + first +
                      "ALTER TABLE public.t RENAME TO away; CREATE TABLE public.t (LIKE public.away INCLUDING ALL); "
                      "COMMIT");
    }

    void undo() {
        sql().execute("DROP TABLE public.t; ALTER TABLE public.away RENAME TO t");
        digest = table_digest(sql(), "public.t");
    }

    void expect_ended(const run_result& result) {
        EXPECT_TRUE(exited(result, 1));
        EXPECT_TRUE(says(result, {"changed by someone else", "cleanup"}));
    }

    void expect_swapped_with_every_row(const run_result& result) {
        EXPECT_TRUE(exited(result, 0));
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(table_digest(sql(), "public.t"), digest);
        expect_cleanup_leaves_nothing();
    }

    std::string digest;
};

TEST_F(another_table, is_not_replayed_from) {
    start_run({"--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    replace("UPDATE public.t SET code = code + 1; ");
    expect_ended(process->finish());
    undo();
    process = std::make_unique<pgeist_process>(db().uri(), std::vector<std::string>{"resume", "1"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    expect_swapped_with_every_row(process->finish());
}

TEST_F(another_table, is_not_copied) {
    at_row->close();
    start_run({"--verify", "off"});
    at_row->wait_until_reached();
    process->kill_hard();
    at_row->open();
    wait_for_job_state(db().uri(), "interrupted");
    replace();
    expect_ended(command("resume", {"1"}));
    undo();
    expect_swapped_with_every_row(command("resume", {"1"}));
}

}  // namespace
}  // namespace pgeist::test
