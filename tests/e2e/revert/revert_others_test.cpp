// What others do to either table between the swap and the way back: it is told by name, and nothing of theirs, or of
// the application's, is lost without a word.

#include <gtest/gtest.h>

#include <csignal>

#include "e2e/revert/revert_fixture.hpp"
#include "support/tcp_proxy.hpp"

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
    expect_refused("ALTER TABLE target DROP CONSTRAINT target_pkey", {"would fail at foreign key to_target"},
                   "ALTER TABLE target ADD PRIMARY KEY (id)");
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

/// What a --back-set needs is no hindrance to the change, but the end of the way.
TEST_F(others_since, a_dropped_column_that_a_back_set_names_ends_the_way) {
    make_table(50);
    ASSERT_TRUE(exited(run_revertible("ALTER COLUMN code TYPE numeric USING code * 2, ADD COLUMN extra int DEFAULT 3",
                                      {"--back-set", "code = extra"}),
                       0));
    sql().execute("UPDATE t SET code = 1 WHERE id = 5; ALTER TABLE t DROP COLUMN extra");
    const run_result refused = revert();
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"cannot be reverted any more", "column extra of public.t was dropped"}));
    EXPECT_NE(told("why_not_revertible").find("extra"), std::string::npos);
}

/// The log goes on under whatever name; nothing is brought to the old table from another that has taken the name.
TEST_F(others_since, who_rename_the_table_do_not_end_the_way) {
    make_table(50);
    const auto window = start_window(widen);
    sql().execute("ALTER TABLE t RENAME TO u; UPDATE u SET note = 'as u' WHERE id = 5");
    window->wait_for_event("who renamed it", [](const boost::json::object& event) {
        return event.at("event") == "message" &&
               boost::json::serialize(event).find("is called public.u now") != std::string::npos;
    });
    sql().execute("CREATE TABLE t (LIKE u); INSERT INTO t VALUES (5, 'of an impostor', 0, 0)");
    const run_result refused = revert();
    EXPECT_TRUE(exited(window->finish(), 0));
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"public.t is called public.u now", "give it its name again", "pgeist revert 1"}));
    EXPECT_EQ(told("why_not_revertible"), "");
    sql().execute("DROP TABLE t; ALTER TABLE u RENAME TO t");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(5), "as u");
    EXPECT_EQ(type_of("id"), "integer");
}

TEST_F(others_since, who_set_comments_find_them_at_the_table_that_comes_back) {
    make_table(10);
    sql().execute(
        "COMMENT ON COLUMN t.note IS 'before'; COMMENT ON COLUMN t.amount IS 'stays'; ALTER TABLE t ADD CONSTRAINT "
        "positive CHECK (id > 0); COMMENT ON CONSTRAINT positive ON t IS 'goes'; CREATE POLICY all_of_it ON t");
    ASSERT_TRUE(exited(run_revertible("ALTER COLUMN id TYPE bigint, RENAME COLUMN note TO remark"), 0));
    sql().execute(
        "COMMENT ON TABLE t IS 'it''s new'; COMMENT ON COLUMN t.remark IS 'since'; COMMENT ON INDEX t_pkey IS 'the "
        "key'; "
        "COMMENT ON CONSTRAINT positive ON t IS NULL; COMMENT ON POLICY all_of_it ON t IS 'a policy'; "
        "COMMENT ON TABLE pgeist_1.t IS 'kept until Friday'");
    const auto comments = [&] {
        return sql().scalar(
            "SELECT string_agg(concat_ws(' ', e.objsubid, e.description), ', ' ORDER BY e.description) FROM "
            "pg_description e WHERE e.objoid IN ('t'::regclass, 't_pkey'::regclass) OR e.objoid IN (SELECT oid FROM "
            "pg_constraint WHERE conrelid = 't'::regclass) OR e.objoid IN (SELECT oid FROM pg_policy WHERE polrelid = "
            "'t'::regclass)");
    };
    const std::string expected = "0 a policy, 0 it's new, 2 since, 3 stays, 0 the key";
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_EQ(comments(), expected);
    sql().execute("COMMENT ON TABLE t IS NULL");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(comments(), "0 a policy, 2 since, 3 stays, 0 the key");
}

/// The program is killed somewhere behind the swap's commit, and others come before it is resumed.
class others_before_resume : public others_since {
protected:
    void kill_run(const ambush& where, const std::string& alter) {
        make_table(100);
        tcp_proxy proxy(db().address());
        proxy.lay(where);
        pgeist_process running(proxy.through(db().address()).uri(),
                               {"run", "--table", "t", "--revertible", "--alter", alter, "--output", "json"});
        proxy.wait_for_ambush();
        running.kill_hard();
        proxy.drop_all();
        wait_for_end_of_sessions();
        ASSERT_EQ(type_of("id"), "bigint");
    }

    /// They write past every trigger, and make what would be lost.
    void expect_noticed(const ambush& where) {
        kill_run(where, widen);
        sql().execute(
            "ALTER TABLE t ALTER COLUMN note TYPE text USING note || '!'; CREATE INDEX theirs ON t (code); ALTER TABLE "
            "t ALTER COLUMN code SET DEFAULT 5, ADD CONSTRAINT \"also: theirs\" CHECK (code > 0); UPDATE t SET code = "
            "77 WHERE id = 8; COMMENT ON TABLE t IS 'since'");
        ASSERT_TRUE(exited(command("resume", {"1"}), 0));
        const run_result refused = revert();
        EXPECT_TRUE(exited(refused, 3));
        EXPECT_TRUE(says(refused, {"index theirs", "constraint \"also: theirs\"", "the default of column code"}));
        const run_result back =
            revert({"--verify", "off", "--lose", "theirs", "--lose", "also: theirs", "--lose", "code"});
        ASSERT_TRUE(exited(back, 0));
        EXPECT_TRUE(says(back, {"rewritten by someone else"}));
        EXPECT_EQ(note_of(7), "note 7!");
        EXPECT_EQ(sql().number("SELECT code FROM t WHERE id = 8"), 77);
        EXPECT_EQ(sql().scalar("SELECT obj_description('t'::regclass)"), "since");
    }
};

constexpr const char* swap_noted = "swap_xid = pg_current_xact_id()";

TEST_F(others_before_resume, are_noticed_from_the_commit_on) {
    expect_noticed({swap_noted, "COMMIT", fate::answer_lost});
}

TEST_F(others_before_resume, are_noticed_though_all_was_tidied_up_but_the_log) {
    expect_noticed({"", "DROP FUNCTION IF EXISTS", fate::held});
}

TEST_F(others_before_resume, who_drop_a_column_that_goes_back_end_the_way) {
    kill_run({swap_noted, "COMMIT", fate::answer_lost}, widen);
    sql().execute("ALTER TABLE t DROP COLUMN note");
    ASSERT_TRUE(exited(command("resume", {"1"}), 0));
    const run_result closed = revert();
    EXPECT_TRUE(exited(closed, 3));
    EXPECT_TRUE(says(closed, {"column note of public.t was dropped"}));
    EXPECT_EQ(told("revertible"), "false");
}

/// As a part of another table it is written to without its statement triggers: noticed though that is over when
/// somebody looks.
TEST_F(others_since, who_attach_the_table_for_a_while_are_noticed) {
    make_table(100);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    sql().execute(
        "CREATE TABLE whole (LIKE t) PARTITION BY RANGE (id); ALTER TABLE whole ATTACH PARTITION t DEFAULT; UPDATE "
        "whole SET note = 'through whole' WHERE id = 7; ALTER TABLE whole DETACH PARTITION t; DROP TABLE whole");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_1_back.pgeist_log"), 0);
    ASSERT_TRUE(exited(revert({"--verify", "off"}), 0));
    EXPECT_EQ(note_of(7), "through whole");
}

TEST_F(others_since, who_detach_the_partition_are_told_where_it_belongs) {
    sql().execute(
        "CREATE TABLE whole (id int, k int, note text, PRIMARY KEY (id, k)) PARTITION BY RANGE (k); CREATE TABLE t "
        "PARTITION OF whole FOR VALUES FROM (0) TO (100); INSERT INTO whole SELECT i, i, 'n' FROM generate_series(1, "
        "50) i");
    ASSERT_TRUE(exited(run({"--revertible", "--repack"}), 0));
    expect_refused("ALTER TABLE whole DETACH PARTITION t; UPDATE t SET note = 'alone' WHERE id = 5",
                   {"a part of no table", "public.whole FOR VALUES FROM (0) TO (100)"},
                   "ALTER TABLE whole ATTACH PARTITION t FOR VALUES FROM (0) TO (100)");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(5), "alone");
    EXPECT_EQ(sql().number("SELECT count(*) FROM whole"), 50);
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
    pgeist_process again(db().uri(), {"revert", "--postpone-swap", "1", "--output", "json"});
    again.wait_for_phase("swap");  // the state may still be the one that was killed
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
