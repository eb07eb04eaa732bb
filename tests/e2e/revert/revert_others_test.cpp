// What others do to either table between the swap and the way back: it is told by name, and nothing of theirs, or of
// the application's, is lost without a word.

#include <gtest/gtest.h>

#include <csignal>

#include "e2e/revert/revert_fixture.hpp"

namespace pgeist::test {
namespace {

constexpr const char* widen = "ALTER COLUMN id TYPE bigint";

class others_since : public revert_test {
protected:
    /// Others do something; the swap back is refused, with these words; they undo it.
    void expect_refused(const std::string& done, const std::vector<std::string>& words, const std::string& undone) {
        SCOPED_TRACE(done);
        sql().execute(done);
        const run_result refused = revert();
        EXPECT_TRUE(exited(refused, 3));
        EXPECT_TRUE(says(refused, words));
        EXPECT_EQ(told("why_not_revertible"), "");
        sql().execute(undone);
    }
};

TEST_F(others_since, have_changed_what_would_be_lost_or_what_waits) {
    make_table(50);
    sql().execute(
        "CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
        "CREATE TRIGGER stamps BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION stamp();"
        "CREATE TABLE target (id int PRIMARY KEY); INSERT INTO target SELECT generate_series(1, 50);"
        "ALTER TABLE t ADD CONSTRAINT to_target FOREIGN KEY (id) REFERENCES target;"
        "CREATE TABLE referrer (id int REFERENCES t (id)); INSERT INTO referrer VALUES (7)");
    ASSERT_TRUE(exited(run_revertible(std::string(widen) + ", DROP CONSTRAINT to_target"), 0));
    expect_refused("ALTER TABLE t ENABLE ROW LEVEL SECURITY; ALTER TABLE t ALTER note SET DEFAULT 'x'",
                   {"the table's own properties", "the default of column note"},
                   "ALTER TABLE t DISABLE ROW LEVEL SECURITY; ALTER TABLE t ALTER note DROP DEFAULT");
    expect_refused("CREATE INDEX theirs ON pgeist_1.t (note); ALTER TABLE pgeist_1.t ADD theirs int",
                   {"the table that waits", "index theirs (added)", "column theirs (added)"},
                   "DROP INDEX pgeist_1.theirs; ALTER TABLE pgeist_1.t DROP theirs");
    expect_refused("ALTER TABLE pgeist_1.t RENAME TO elsewhere", {"is called pgeist_1.elsewhere now"},
                   "ALTER TABLE pgeist_1.elsewhere RENAME TO t");
    expect_refused("ALTER FUNCTION stamp() RENAME TO stamp_it; DROP TRIGGER stamps ON t",
                   {"would fail at trigger stamps"}, "ALTER FUNCTION stamp_it() RENAME TO stamp");
    expect_refused("ALTER TABLE target RENAME id TO ident", {"to_target", "column id of public.target"},
                   "ALTER TABLE target RENAME ident TO id");
    sql().execute("ALTER TABLE target RENAME TO renamed_target; ALTER TABLE referrer RENAME TO renamed_referrer");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(sql().scalar("SELECT string_agg(conrelid::regclass || ' ' || confrelid::regclass, ', ' ORDER BY conname) "
                           "FROM pg_constraint WHERE conname IN ('to_target', 'referrer_id_fkey') AND convalidated"),
              "renamed_referrer t, t renamed_target");
}

TEST_F(others_since, a_dropped_column_that_the_change_has_added_is_no_hindrance) {
    make_table(50);
    ASSERT_TRUE(exited(run_revertible("ALTER COLUMN code TYPE numeric(12,1) USING code * 2, ADD COLUMN extra int"), 0));
    sql().execute("ALTER TABLE t DROP COLUMN extra; UPDATE t SET note = 'mine' WHERE id = 5");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(5), "mine");
    sql().execute("UPDATE t SET note = 'again' WHERE id = 6");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(6), "again");
    EXPECT_EQ(sql().scalar("SELECT to_regclass('t')::text"), "t");
}

TEST_F(others_since, who_drop_the_table_that_waits_end_the_way) {
    make_table(10);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    sql().execute("DROP TABLE pgeist_1.t");
    const run_result refused = revert();
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"cannot be reverted any more", "was dropped"}));
    sql().execute("INSERT INTO t VALUES (500, 'x', 1, 1)");
    expect_cleanup_leaves_nothing();
}

TEST_F(others_since, what_was_given_to_a_revert_that_is_killed_is_not_the_next_ones) {
    make_table(10);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    pgeist_process waiting(db().uri(), {"revert", "--postpone-swap", "1"});
    wait_until_told("state", "waiting_for_swap");
    waiting.signal(SIGKILL);
    static_cast<void>(waiting.finish());
    pgeist_process again(db().uri(), {"revert", "--postpone-swap", "1"});
    wait_until_told("state", "waiting_for_swap");
    again.signal(SIGTERM);
    const run_result stopped = again.finish();
    EXPECT_TRUE(exited(stopped, 6));
    EXPECT_TRUE(says(stopped, {"the way back stays open", "pgeist revert 1"}));
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(type_of("id"), "integer");
}

// The way is closed in the very transaction that ends the logging, whatever keeps the rest from being removed.
TEST_F(others_since, a_cleanup_that_comes_half_way_ends_the_way_all_the_same) {
    make_table(10);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    sql().execute("CREATE VIEW on_old AS SELECT * FROM pgeist_1.t");
    EXPECT_FALSE(exited(command("cleanup", {"1"}), 0));
    sql().execute("INSERT INTO t VALUES (500, 'x', 1, 1)");
    EXPECT_NE(told("why_not_revertible").find("cleanup"), std::string::npos);
    EXPECT_EQ(told("revertible"), "false");
    EXPECT_TRUE(exited(revert(), 3));
    sql().execute("DROP VIEW on_old");
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
