// Rows that do not go back are named while there is time, and leave the list when they are mended.

#include <gtest/gtest.h>

#include "e2e/revert/revert_fixture.hpp"

namespace pgeist::test {
namespace {

constexpr const char* widen = "ALTER COLUMN id TYPE bigint";

class unfit_rows : public revert_test {};

TEST_F(unfit_rows, are_named_and_leave_the_list_when_they_are_mended) {
    make_table(100);
    const auto window = start_window(widen);
    sql().execute("INSERT INTO t VALUES (3000000000, 'too large', 1, 1), (3000000001, 'too', 2, 2)");
    wait_until_told("unfit", "2");
    EXPECT_EQ(told("revertible"), "false");
    EXPECT_NE(told("unfit_keys").find("3000000000"), std::string::npos);
    EXPECT_NE(told("unfit_at"), "");
    const run_result checked = command("revert", {"1", "--check"});
    EXPECT_TRUE(exited(checked, 3));
    EXPECT_TRUE(exited(window->finish(), 0));
    EXPECT_TRUE(says(checked, {"3000000000"}));
    const run_result refused = revert();
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"3000000000"}));
    EXPECT_EQ(told("state"), "done");
    sql().execute("UPDATE t SET id = 5000 WHERE id = 3000000000; DELETE FROM t WHERE id = 3000000001");
    EXPECT_TRUE(exited(command("revert", {"1", "--check"}), 0));
    EXPECT_EQ(told("unfit"), "0");
    EXPECT_EQ(type_of("id"), "bigint");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(5000), "too large");
}

/// The change drops a foreign key: what it would refuse is a row that does not fit, named in the window, by --check,
/// and when it comes at the last moment.
TEST_F(unfit_rows, that_a_dropped_foreign_key_refuses_are_named) {
    make_table(20);
    sql().execute(
        "CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent SELECT generate_series(1, 20); ALTER TABLE t ADD "
        "CONSTRAINT fk FOREIGN KEY (id) REFERENCES parent");
    const auto window = start_window(std::string(widen) + ", DROP CONSTRAINT fk");
    sql().execute("INSERT INTO t VALUES (99, 'orphan', 1, 99)");
    EXPECT_TRUE(exited(command("verify", {"1"}), 0));
    wait_until_told("unfit", "1");
    EXPECT_EQ(told("revertible"), "false");
    EXPECT_EQ(told("unfit_keys"), "[\"99\"]");
    sql().execute("DELETE FROM t WHERE id = 99");
    EXPECT_TRUE(exited(command("verify", {"1"}), 0));
    wait_until_told("unfit", "0");
    sql().execute("INSERT INTO t VALUES (98, 'orphan', 1, 98)");
    const run_result checked = revert({"--check"});
    EXPECT_TRUE(exited(checked, 3));
    EXPECT_TRUE(says(checked, {"1 row of public.t does not fit", "98 (violates foreign key fk)"}));
    EXPECT_TRUE(exited(window->finish(), 0));
    EXPECT_EQ(told("unfit"), "1");
    sql().execute("UPDATE t SET id = 21 WHERE id = 98; INSERT INTO parent VALUES (21)");
    EXPECT_TRUE(exited(revert({"--check"}), 0));
    pgeist_process late(db().uri(), {"revert", "1", "--postpone-swap", "--output", "json"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sql().execute("INSERT INTO t VALUES (97, 'orphan', 1, 97)");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result refused = late.finish();
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"foreign key fk", "97", "the way back stays open"}));
    sql().execute("DELETE FROM t WHERE id = 97");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conname = 'fk' AND convalidated"), 1);
}

}  // namespace
}  // namespace pgeist::test
