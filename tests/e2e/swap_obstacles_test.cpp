// What the swap can meet besides a lock on the table: sequences that are in use, failures once the lock is granted,
// sessions that it may not end, and what is no session at all.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class swap_obstacles : public run_test {
protected:
    void TearDown() override {
        running_.reset();
        run_test::TearDown();
    }

    void make(const std::string& id) {
        sql().execute("CREATE TABLE public.t (id " + id +
                      " PRIMARY KEY, note text); INSERT INTO public.t (note) SELECT 'note ' || i FROM "
                      "generate_series(1, 200) AS i");
    }

    void postpone(const std::vector<std::string>& more) {
        std::vector<std::string> arguments{"--repack", "--postpone-swap"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        running_.reset(new pgeist_process(start(arguments)));
        wait_for_job_state(db().uri(), "waiting_for_swap");
    }

    void resume_and_swap() {
        pgeist_process resumed(db().uri(), {"resume", "1"});
        wait_for_job_state(db().uri(), "waiting_for_swap");
        begin_the_swap();
        EXPECT_TRUE(exited(resumed.finish(), 0));
    }

    void begin_the_swap() { EXPECT_TRUE(exited(command("swap", {"1"}), 0)); }

    pgeist_process& running() { return *running_; }

    /// Whether pgeist has the table's lock, or waits for it, at this moment.
    bool is_at_the_table() {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE relation = 'public.t'::regclass AND mode = "
                   "'AccessExclusiveLock'") > 0;
    }

    /// Somebody has drawn from the sequence, and may write the row later: the table is never kept from others for that.
    void expect_sequence_is_asked_for_first() {
        sync_connection holder = db().connect();
        holder.execute("BEGIN; SELECT nextval('public.t_id_seq')");
        running_.reset(new pgeist_process(start({"--repack", "--swap-attempts", "12"})));
        bool at_table = false;
        while (running().process().running()) {
            at_table = at_table || is_at_the_table();
        }
        EXPECT_FALSE(at_table) << "the table was locked while somebody held its sequence";
        const run_result result = running().finish();
        EXPECT_TRUE(exited(result, 4));
        EXPECT_TRUE(says(result, {"pid " + std::to_string(holder.backend_pid())}));
        holder.execute("INSERT INTO public.t (note) VALUES ('late'); COMMIT");
        EXPECT_TRUE(exited(command("resume", {"1"}), 0));
        EXPECT_EQ(sql().number("SELECT max(id) FROM public.t"), 202);
        sql().execute("INSERT INTO public.t (note) VALUES ('next')");
        EXPECT_GT(sql().number("SELECT max(id) FROM public.t"), 202);
        expect_cleanup_leaves_nothing();
    }

    /// In each attempt something under the lock waits for a lock that is not to be had.
    void make_it_fail_under_the_lock() {
        sql().execute(
            "CREATE TABLE public.audit (at timestamptz); CREATE FUNCTION public.note_ddl() RETURNS event_trigger "
            "LANGUAGE plpgsql AS $$ BEGIN IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity "
            "LIKE 'pgeist%' AND command_tag = 'ALTER TABLE') THEN INSERT INTO public.audit VALUES (now()); END IF; END "
            "$$; CREATE EVENT TRIGGER note_ddl ON ddl_command_end EXECUTE FUNCTION public.note_ddl()");
    }

private:
    std::unique_ptr<pgeist_process> running_;
};

TEST_F(swap_obstacles, the_sequence_of_a_serial_column_is_asked_for_before_the_table) {
    make("serial");
    expect_sequence_is_asked_for_first();
}

TEST_F(swap_obstacles, the_sequence_of_an_identity_column_is_asked_for_before_the_table) {
    make("int GENERATED ALWAYS AS IDENTITY");
    expect_sequence_is_asked_for_first();
}

// An INSERT holds the table when it draws its number: asked for first, the sequence would be had, and the table never.
TEST_F(swap_obstacles, inserts_that_draw_by_the_default_do_not_keep_the_table_from_the_swap) {
    make("serial");
    sql().execute("ALTER DATABASE " + db().name() + " SET deadlock_timeout = '60s'");
    postpone({"--lock-timeout", "20s"});
    sync_connection first = db().connect();
    first.execute("BEGIN; INSERT INTO public.t (note) VALUES ('first')");
    begin_the_swap();
    wait_for("pgeist in a queue", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted AND "
                   "relation IN ('public.t'::regclass, 'public.t_id_seq'::regclass)") == 1;
    });
    sync_connection second = db().connect();
    second.send("INSERT INTO public.t (note) VALUES ('second')");
    wait_for("the second in a queue", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock' AND NOT granted AND relation "
                   "IN ('public.t'::regclass, 'public.t_id_seq'::regclass)") == 1;
    });
    first.execute("COMMIT");
    second.finish();
    const run_result ended = running().finish();
    EXPECT_TRUE(exited(ended, 0));
    ASSERT_EQ(ended.events("swap").size(), 1U);
    EXPECT_EQ(number_of(ended.events("swap").front(), "attempts").value_or(0), 11)
        << "ten attempts without a wait, one";
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE note IN ('first', 'second')"), 2);
    expect_cleanup_leaves_nothing();
}

TEST_F(swap_obstacles, who_holds_the_sequence_is_ended_when_that_is_wanted) {
    make("serial");
    sync_connection holder = db().connect();
    holder.execute("BEGIN; SELECT nextval('public.t_id_seq')");
    EXPECT_TRUE(exited(run({"--repack", "--on-blocked", "terminate"}), 0));
    EXPECT_NE(holder.sqlstate_of("SELECT 1"), "");
    expect_cleanup_leaves_nothing();
}

// Three times the application has waited for nothing: that is enough.
TEST_F(swap_obstacles, what_fails_under_the_lock_is_told_and_not_tried_for_ever) {
    make_table(200);
    postpone({"--lock-timeout", "50ms"});
    make_it_fail_under_the_lock();
    sync_connection holder = db().connect();
    holder.execute("BEGIN; LOCK TABLE public.audit IN SHARE MODE");
    begin_the_swap();
    const run_result result = running().finish();
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {"the swap failed 3 times once the table was locked", "moving the", "55P03", "resume"}));
    EXPECT_TRUE(says(result, {"attempt 1 failed", "attempt 2 failed"}));
    EXPECT_FALSE(result.mentions("attempt 3 failed"));
    EXPECT_FALSE(result.mentions("the lock was not to be had"));
    holder.execute("COMMIT");
    resume_and_swap();
    expect_cleanup_leaves_nothing();
}

// A statement that fails for good is told by its name.
TEST_F(swap_obstacles, what_cannot_be_done_under_the_lock_is_told_with_its_statement) {
    make_table(200);
    postpone({});
    sql().execute(
        "CREATE FUNCTION public.no_moves() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF current_query() LIKE "
        "'%SET SCHEMA%' THEN RAISE EXCEPTION 'tables stay where they are'; END IF; END $$; CREATE EVENT TRIGGER "
        "no_moves ON ddl_command_start WHEN TAG IN ('ALTER TABLE') EXECUTE FUNCTION public.no_moves()");
    begin_the_swap();
    const run_result result = running().finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"moving the old table: tables stay where they are"}));
    sql().execute("DROP EVENT TRIGGER no_moves; DROP FUNCTION public.no_moves()");
    resume_and_swap();
    expect_cleanup_leaves_nothing();
}

// pg_terminate_backend() raises an error where the other session is a superuser's.
TEST_F(swap_obstacles, a_session_that_may_not_be_ended_is_told_and_waited_for) {
    make_table(200);
    const std::string deploy = db().create_role("deploy");
    sql().execute("GRANT pg_signal_backend TO " + deploy + "; GRANT CREATE ON DATABASE " + db().name() + " TO " +
                  deploy + "; GRANT USAGE, CREATE ON SCHEMA public TO " + deploy + "; ALTER TABLE public.t OWNER TO " +
                  deploy);
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    const run_result result = run_pgeist(
        db().uri_as(deploy), {"run", "--table", "t", "--repack", "--on-blocked", "terminate", "--swap-attempts", "15"});
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {"this role may not end pid " + std::to_string(reader.backend_pid()), "resume"}));
    EXPECT_EQ(result.said().find("may not end"), result.said().rfind("may not end")) << result.said();
    EXPECT_EQ(reader.sqlstate_of("COMMIT"), "");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(deploy), {"resume", "1"}), 0));
}

TEST_F(swap_obstacles, a_prepared_transaction_is_named_and_nobody_is_signalled) {
    make_table(200);
    const std::string gid = "transfer '" + db().name();
    const std::string quoted = sql().literal(gid);
    sql().execute("BEGIN; UPDATE public.t SET note = 'prepared' WHERE id = 1; PREPARE TRANSACTION " + quoted);
    for (const std::string how : {"wait", "terminate"}) {
        const std::vector<std::string> command_line =
            how == "wait" ? std::vector<std::string>{"run", "--table", "t", "--repack", "--swap-attempts", "14"}
                          : std::vector<std::string>{"resume", "1", "--on-blocked", how};
        const run_result result = run_pgeist(db().uri(), command_line);
        EXPECT_TRUE(exited(result, 4));
        EXPECT_TRUE(says(result, {"prepared transaction " + quoted, "postgres", "ROLLBACK PREPARED " + quoted}));
        EXPECT_FALSE(result.mentions("pid 0"));
    }
    sql().execute("COMMIT PREPARED " + quoted);
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    EXPECT_EQ(note_of(1), "prepared");
    expect_cleanup_leaves_nothing();
}

// Made while the run was at work: nobody but its session can lead it to the new table.
TEST_F(swap_obstacles, a_temporary_view_of_another_session_is_named_and_waited_for) {
    make_table(200);
    postpone({"--swap-attempts", "13"});
    sync_connection other = db().connect();
    other.execute("CREATE TEMPORARY VIEW v AS SELECT id FROM public.t");
    begin_the_swap();
    const run_result result = running().finish();
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {"temporary view pg_temp_", ".v (user postgres", "resume"}));
    EXPECT_EQ(other.number("SELECT count(*) FROM v"), 200);
    other.execute("DROP VIEW v");
    resume_and_swap();
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
