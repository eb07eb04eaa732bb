// What others do at the worst moments of a swap that can be taken back, each stepped through by locks.

#include <gtest/gtest.h>

#include "e2e/revert/revert_fixture.hpp"
#include "support/table_rows.hpp"
#include "support/tcp_proxy.hpp"

namespace pgeist::test {
namespace {

constexpr const char* widen = "ALTER COLUMN id TYPE bigint";

class interleaved_revert : public revert_test {
protected:
    void expect_refused(const run_result& result) {
        EXPECT_TRUE(exited(result, 3));
        EXPECT_TRUE(says(result, {"--max-log-size"}));
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(told("revertible"), "false");
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_proc WHERE pronamespace = 'pgeist_1_back'::regnamespace AND "
                               "proname LIKE 'capture%' AND prosrc ~ 'pgeist_log'"),
                  0);
    }
};

/// The triggers of the way back are there before the swap and woken by it: whoever waited for the swap's lock is logged
/// from his first row on. (Made after the swap's commit, they would miss what he writes at once.)
TEST_F(interleaved_revert, a_writer_who_waited_for_the_swap_is_logged) {
    make_table(100);
    tcp_proxy proxy(db().address());
    proxy.lay({"swap_xid = pg_current_xact_id()", "COMMIT", fate::held});
    pgeist_process running(proxy.through(db().address()).uri(),
                           {"run", "--table", "t", "--revertible", "--alter", widen, "--output", "json"});
    proxy.wait_for_ambush();
    sync_connection writer = db().connect();
    writer.send("UPDATE t SET note = 'waited' WHERE id = 5");
    wait_for("a writer who waits", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " +
                            std::to_string(writer.backend_pid())) > 0;
    });
    proxy.release();
    writer.finish();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_1_back.pgeist_log"), 1);
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(5), "waited");
}

/// The same for the swap back, and the way that follows it.
TEST_F(interleaved_revert, a_writer_who_waited_for_the_swap_back_is_logged_for_the_next) {
    make_table(100);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    tcp_proxy proxy(db().address());
    proxy.lay({"swap_xid = pg_current_xact_id()", "COMMIT", fate::held});
    pgeist_process running(proxy.through(db().address()).uri(), {"revert", "1", "--output", "json"});
    proxy.wait_for_ambush();
    sync_connection writer = db().connect();
    writer.send("UPDATE t SET note = 'waited' WHERE id = 5");
    wait_for("a writer who waits", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " +
                            std::to_string(writer.backend_pid())) > 0;
    });
    proxy.release();
    writer.finish();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(note_of(5), "waited");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_1_again.pgeist_log"), 1);
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(5), "waited");
}

/// Whatever kind of statement waits for the swap back finds the table that is in use then, and is logged for the next.
TEST_F(interleaved_revert, statements_of_all_kinds_that_waited_for_the_swap_back_are_done) {
    make_table(100);
    sql().execute(
        "CREATE FUNCTION write_it() RETURNS void LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET note = 'by a function' "
        "WHERE "
        "id = 6; END $$; CREATE TABLE child (t int REFERENCES t ON DELETE CASCADE); INSERT INTO child VALUES (10), "
        "(12)");
    ASSERT_TRUE(exited(run_revertible("ALTER COLUMN id TYPE bigint, DROP COLUMN code"), 0));
    const std::vector<std::pair<std::string, std::string>> statements{
        {"PREPARE p AS UPDATE t SET note = 'prepared' WHERE id = 5; EXECUTE p", "EXECUTE p"},
        {"SELECT write_it()", "SELECT write_it()"},
        {"SELECT", "DELETE FROM t WHERE id = 7"},
        {"SELECT", "INSERT INTO t (id, note) VALUES (500, 'inserted') ON CONFLICT (id) DO UPDATE SET note = 'updated'"},
        {"SELECT", "UPDATE t SET id = 600 WHERE id = 8"},
        {"SELECT",
         "WITH gone AS (DELETE FROM t WHERE id = 9 RETURNING note) INSERT INTO t (id, note) SELECT 901, note "
         "FROM gone"},
        {"SELECT", "INSERT INTO child VALUES (13)"},
        {"SELECT", "DELETE FROM t WHERE id = 12"}};
    std::vector<sync_connection> writers;
    for (const auto& [first, then] : statements) {
        writers.push_back(db().connect());
        writers.back().execute(first);
    }
    tcp_proxy proxy(db().address());
    proxy.lay({"swap_xid = pg_current_xact_id()", "COMMIT", fate::held});
    pgeist_process running(proxy.through(db().address()).uri(), {"revert", "1", "--output", "json"});
    proxy.wait_for_ambush();
    for (std::size_t at = 0; at < statements.size(); ++at) {
        writers[at].send(statements[at].second);
    }
    wait_for("writers who wait", [&] {
        std::string pids;
        for (const sync_connection& writer : writers) {
            pids += (pids.empty() ? "" : ", ") + std::to_string(writer.backend_pid());
        }
        return sql().number("SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted AND pid IN (" + pids + ")") ==
               static_cast<long long>(statements.size());
    });
    proxy.release();
    for (sync_connection& writer : writers) {
        EXPECT_NO_THROW(static_cast<void>(writer.finish()));
    }
    EXPECT_TRUE(exited(running.finish(), 0));
    const std::string after = "5 prepared 50, 6 by a function 60, 500 inserted, 600 note 8 80, 901 note 9";
    const std::string rows =
        "SELECT string_agg(concat_ws(' ', id, note, code), ', ' ORDER BY id) FROM t WHERE id BETWEEN 5 AND 9 OR id > "
        "100";
    EXPECT_EQ(sql().scalar(rows), after);
    ASSERT_TRUE(exited(revert(), 0));
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(sql().scalar(rows), after);
    EXPECT_EQ(sql().scalar("SELECT string_agg(t::text, ' ' ORDER BY t) FROM child"), "10 13");
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO child VALUES (12)"), "23503");
}

/// All is planned and compared, and the swap waits for permission: what others do then is seen under the lock.
TEST_F(interleaved_revert, others_who_change_the_table_before_the_lock_stop_the_swap) {
    make_table(100);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    pgeist_process running(db().uri(), {"revert", "1", "--postpone-swap", "--output", "json"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sql().execute("ALTER TABLE t ADD COLUMN theirs int; UPDATE t SET theirs = 7 WHERE id = 7");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result stopped = running.finish();
    EXPECT_TRUE(exited(stopped, 1));
    EXPECT_TRUE(says(stopped, {"column theirs (added)", "the way back stays open", "pgeist revert 1"}));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(told("state"), "done");
    const run_result named = revert();
    EXPECT_TRUE(exited(named, 3));
    EXPECT_TRUE(says(named, {"column theirs"}));
    ASSERT_TRUE(exited(revert({"--lose", "theirs"}), 0));
    EXPECT_EQ(type_of("id"), "integer");
}

TEST_F(interleaved_revert, others_who_drop_a_column_before_the_lock_stop_the_swap) {
    make_table(100);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    pgeist_process running(db().uri(), {"revert", "1", "--postpone-swap", "--output", "json"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sql().execute("ALTER TABLE t DROP COLUMN note");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_NE(running.finish().exit_code, 0);
    EXPECT_EQ(type_of("id"), "bigint");
    const run_result closed = revert();
    EXPECT_TRUE(exited(closed, 3));
    EXPECT_TRUE(says(closed, {"column note of public.t was dropped"}));
    EXPECT_EQ(told("revertible"), "false");
}

/// A reader whose snapshot is older than rows that were brought back: the swap back waits for him.
TEST_F(interleaved_revert, waits_for_a_snapshot_that_is_older_than_what_was_brought) {
    make_table(100);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    sql().execute("UPDATE t SET note = 'new' WHERE id = 1");
    sync_connection reader = db().connect();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    pgeist_process running(db().uri(), {"revert", "1", "--output", "json"});
    running.wait_for_event("a wait for the snapshot",
                           [](const boost::json::object& event) { return event.at("event") == "lock_wait"; });
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(reader.scalar("SELECT note FROM t WHERE id = 1"), "new");
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "integer");
}

/// A row that does not fit, written when all was compared and before the lock: nothing is swapped.
TEST_F(interleaved_revert, a_row_that_comes_at_the_last_moment_and_does_not_fit_stops_the_swap) {
    make_table(100);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    pgeist_process running(db().uri(), {"revert", "1", "--postpone-swap", "--output", "json"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sql().execute("INSERT INTO t VALUES (3000000000, 'too large', 1, 1)");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"3000000000"}));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(told("state"), "done");
    sql().execute("DELETE FROM t WHERE id = 3000000000");
    EXPECT_TRUE(exited(revert(), 0)) << "what the first one was given is not for this one";
}

/// A log that outgrows its limit ends capture at once: whatever the revert does then, it swaps nothing.
TEST_F(interleaved_revert, a_log_too_large_while_the_tables_are_compared_ends_it) {
    make_table(1000);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    tcp_proxy proxy(db().address());
    proxy.lay({"", "pgeist_file_walk", fate::held});
    pgeist_process running(proxy.through(db().address()).uri(),
                           {"revert", "1", "--max-log-size", "1MB", "--output", "json"});
    proxy.wait_for_ambush();
    sql().execute("DO $$ BEGIN FOR i IN 1 .. 60 LOOP UPDATE t SET code = code + 1; END LOOP; END $$");
    wait_until_told("revertible", "false");
    sql().execute("UPDATE t SET note = 'not logged' WHERE id = 1");
    proxy.release();
    expect_refused(running.finish());
}

TEST_F(interleaved_revert, a_log_too_large_while_the_swap_is_postponed_ends_it) {
    make_table(1000);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    pgeist_process running(db().uri(), {"revert", "1", "--postpone-swap", "--max-log-size", "1MB", "--output", "json"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sql().execute("DO $$ BEGIN FOR i IN 1 .. 60 LOOP UPDATE t SET code = code + 1; END LOOP; END $$");
    expect_refused(running.finish());
}

/// Rows that refer to keys made since: the old table has those keys by then, so the foreign key holds and is validated.
TEST_F(interleaved_revert, rows_that_refer_to_new_keys_keep_their_foreign_key) {
    make_table(100);
    sql().execute("CREATE TABLE child (t int REFERENCES t)");
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    sql().execute("INSERT INTO t VALUES (500, 'x', 1, 1); INSERT INTO child VALUES (500)");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conrelid = 'child'::regclass AND confrelid = "
                           "'t'::regclass AND convalidated"),
              1);
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO child VALUES (501)"), "23503");
}

/// Triggers of the application on the old table do not fire for rows that are brought there, nor do its rules.
TEST_F(interleaved_revert, triggers_of_the_waiting_table_rest) {
    make_table(100);
    sql().execute(
        "CREATE TABLE audit (id bigint); CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT "
        "INTO "
        "audit VALUES (NEW.id); RETURN NULL; END $$; CREATE TRIGGER audit AFTER INSERT OR UPDATE ON t FOR EACH ROW "
        "EXECUTE "
        "FUNCTION audited(); ALTER TABLE t ENABLE ALWAYS TRIGGER audit; CREATE RULE ruled AS ON DELETE TO t DO ALSO "
        "INSERT "
        "INTO audit VALUES (-1)");
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    sql().execute("INSERT INTO t SELECT i, 'x', 1, i FROM generate_series(1001, 1010) i; DELETE FROM t WHERE id < 3");
    ASSERT_TRUE(exited(revert(), 0));
    sql().execute("INSERT INTO t SELECT i, 'x', 1, i FROM generate_series(2001, 2005) i");
    EXPECT_EQ(sql().number("SELECT count(*) FROM audit WHERE id > 0"), 15);
    sql().execute("DELETE FROM t WHERE id = 50");
    EXPECT_EQ(sql().number("SELECT count(*) FROM audit WHERE id < 0"), 3) << "a rule writes a row for each deleted one";
    EXPECT_EQ(sql().scalar("SELECT tgenabled FROM pg_trigger WHERE tgrelid = 't'::regclass AND tgname = 'audit'"), "A");
}

/// A session that waits in nextval() of the sequence that leaves: no number is given twice, and the old table's own
/// definition is there again.
TEST_F(interleaved_revert, no_number_is_given_twice) {
    sql().execute(
        "CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, note text); INSERT INTO t (note) SELECT "
        "'x' FROM generate_series(1, 10)");
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    tcp_proxy proxy(db().address());
    proxy.lay({"swap_xid = pg_current_xact_id()", "COMMIT", fate::held});
    pgeist_process running(proxy.through(db().address()).uri(), {"revert", "1", "--output", "json"});
    proxy.wait_for_ambush();
    sync_connection drawing = db().connect();
    drawing.send("SELECT nextval('t_id_seq')");
    wait_for("a session that waits to draw", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " +
                            std::to_string(drawing.backend_pid())) > 0;
    });
    proxy.release();
    const std::string drawn = drawing.finish().rows.front().front().value();
    EXPECT_TRUE(exited(running.finish(), 0));
    sql().execute("INSERT INTO t (note) SELECT 'y' FROM generate_series(1, 50)");
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE id = " + drawn), 0);
    EXPECT_EQ(type_of("id"), "integer");
}

}  // namespace
}  // namespace pgeist::test
