// A change log that VACUUM cannot shorten is changed for a new one before the swap asks for its lock. One test for each
// way in which that can cross with writers, and with the end of the program.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class change_log : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        make_table(500);
        // So that one attempt stands in the queue for as long as --lock-timeout says.
        sql().execute("ALTER DATABASE " + db().name() + " SET deadlock_timeout = '60s'");
        sql().execute("CREATE TABLE public.other (n int)");
        changing_ = std::make_unique<gate>(db(), 1);
    }

    void TearDown() override {
        running_.reset();
        changing_.reset();
        run_test::TearDown();
    }

    /// A run that waits to swap, with a log full of rows that were replayed and cannot be removed.
    void postpone_with_a_dead_log() {
        running_.reset(new pgeist_process(
            start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap", "--lock-timeout", "20s"})));
        wait_for_job_state(db().uri(), "waiting_for_swap");
        fill_the_log();
    }

    void fill_the_log() {
        old_.emplace(db().connect());
        old_->execute("BEGIN; INSERT INTO public.other VALUES (1)");
        sql().execute(
            "BEGIN; INSERT INTO pgeist_1.pgeist_log SELECT 0 FROM generate_series(1, 150000); DELETE FROM "
            "pgeist_1.pgeist_log WHERE k1 = 0; COMMIT");
        ASSERT_GT(sql().number("SELECT pg_relation_size('pgeist_1.pgeist_log')"), 4 << 20);
    }

    /// The change stops where the server begins this command.
    void stop_at(const std::string& command_tag) {
        sql().execute(
            "CREATE FUNCTION public.stop() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN IF current_query() LIKE "
            "'%pgeist_log_before%' THEN PERFORM public.gate(1, true, 1); END IF; END $$; CREATE EVENT TRIGGER stop ON "
            "ddl_command_start WHEN TAG IN ('" +
            command_tag + "') EXECUTE FUNCTION public.stop()");
        changing_->close();
    }

    void begin_the_swap() { EXPECT_TRUE(exited(command("swap", {"1"}), 0)); }

    void wait_for_the_log_lock(const std::string& mode) {
        wait_for(mode + " on the log", [&] {
            return sql().number(
                       "SELECT count(*) FROM pg_locks WHERE relation = to_regclass('pgeist_1.pgeist_log') AND mode = "
                       "'" +
                       mode + "' AND NOT granted") == 1;
        });
    }

    /// pgeist is killed where it stands, and the server knows it.
    void kill() {
        running_->kill_hard();
        running_.reset();
        sql().execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND "
            "application_name LIKE 'pgeist%'");
        wait_for_end_of_sessions();
        changing_->open();
        sql().execute("DROP EVENT TRIGGER stop; DROP FUNCTION public.stop()");
    }

    bool is_in_two_parts() {
        return sql().scalar("SELECT to_regclass('pgeist_1.pgeist_log_before') IS NOT NULL") == "t";
    }

    void finish() {
        const run_result result = running_->finish();
        EXPECT_TRUE(exited(result, 0));
        EXPECT_TRUE(says(result, {"it was changed for a new one"}));
        EXPECT_EQ(type_of("id"), "bigint");
    }

    /// A change that nobody has replayed stands in the log when it is changed; pgeist stops at the command.
    void stop_with_a_change_in_the_log(const std::string& command_tag) {
        postpone_with_a_dead_log();
        sync_connection writer = db().connect();
        writer.execute("BEGIN; UPDATE public.t SET note = 'late' WHERE id = 1; DELETE FROM public.t WHERE id = 2");
        stop_at(command_tag);
        begin_the_swap();
        wait_for_the_log_lock("AccessExclusiveLock");
        writer.execute("COMMIT");
        changing_->wait_until_reached();
    }

    void resume_and_compare() {
        pgeist_process resumed(db().uri(), {"resume", "1"});
        wait_for_job_state(db().uri(), "waiting_for_swap");
        begin_the_swap();
        EXPECT_TRUE(exited(resumed.finish(), 0));
        EXPECT_EQ(type_of("id"), "bigint");
        EXPECT_EQ(note_of(1), "late");
        EXPECT_EQ(note_of(2), "no row");
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 499);
        expect_cleanup_leaves_nothing();
    }

    void running_as(const std::string& uri, const std::vector<std::string>& arguments) {
        running_.reset(new pgeist_process(uri, arguments));
    }

    gate& changing() { return *changing_; }
    pgeist_process& running() { return *running_; }
    sync_connection& old() { return *old_; }

private:
    std::unique_ptr<gate> changing_;
    std::unique_ptr<pgeist_process> running_;
    std::optional<sync_connection> old_;
};

TEST_F(change_log, a_log_of_dead_rows_is_not_read_under_the_lock) {
    postpone_with_a_dead_log();
    sql().execute("UPDATE public.t SET note = 'before' WHERE id = 3");
    begin_the_swap();
    finish();
    EXPECT_EQ(note_of(3), "before");
    old().execute("COMMIT");
    expect_cleanup_leaves_nothing();
}

// VACUUM can do it: the application need not wait for a lock on the log.
TEST_F(change_log, a_log_that_can_be_vacuumed_is_kept) {
    postpone_with_a_dead_log();
    old().execute("COMMIT");
    begin_the_swap();
    const run_result result = running().finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_FALSE(result.mentions("changed for a new one"));
    expect_cleanup_leaves_nothing();
}

TEST_F(change_log, a_transaction_that_has_written_is_waited_for_and_its_rows_are_moved) {
    postpone_with_a_dead_log();
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE public.t SET note = 'late' WHERE id = 1; UPDATE public.t SET id = -2 WHERE id = 2");
    begin_the_swap();
    wait_for_the_log_lock("AccessExclusiveLock");
    writer.execute("UPDATE public.t SET note = 'later' WHERE id = 1; COMMIT");
    finish();
    EXPECT_EQ(note_of(1), "later");
    EXPECT_EQ(note_of(2), "no row");
    EXPECT_EQ(note_of(-2), "note 2");
    expect_cleanup_leaves_nothing();
}

TEST_F(change_log, a_writer_that_waits_writes_into_the_new_one) {
    postpone_with_a_dead_log();
    sync_connection first = db().connect();
    sync_connection knows_the_log = db().connect();
    knows_the_log.execute("UPDATE public.t SET note = 'known' WHERE id = 5");  // its trigger has a plan
    stop_at("CREATE TABLE");
    begin_the_swap();
    changing().wait_until_reached();
    first.send("UPDATE public.t SET note = 'waited' WHERE id = 4");
    wait_for_the_log_lock("RowExclusiveLock");
    knows_the_log.send("DELETE FROM public.t WHERE id = 5");
    wait_for("both at the log", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE mode = 'RowExclusiveLock' AND NOT granted AND relation = "
                   "to_regclass('pgeist_1.pgeist_log')") == 2;
    });
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 500) << "readers do not wait";
    changing().open();
    first.finish();
    knows_the_log.finish();
    finish();
    EXPECT_EQ(note_of(4), "waited");
    EXPECT_EQ(note_of(5), "no row");
    expect_cleanup_leaves_nothing();
}

TEST_F(change_log, killed_before_the_new_one_is_there) {
    stop_with_a_change_in_the_log("CREATE TABLE");
    kill();
    EXPECT_FALSE(is_in_two_parts());
    resume_and_compare();
}

TEST_F(change_log, killed_when_it_is_in_two_parts) {
    stop_with_a_change_in_the_log("COMMENT");
    kill();
    ASSERT_TRUE(is_in_two_parts());
    sql().execute("UPDATE public.t SET note = 'between' WHERE id = 6");
    resume_and_compare();
    EXPECT_EQ(note_of(6), "between");
}

TEST_F(change_log, killed_when_the_old_one_is_still_to_be_dropped) {
    stop_with_a_change_in_the_log("DROP TABLE");
    kill();
    ASSERT_TRUE(is_in_two_parts());
    sql().execute("UPDATE public.t SET note = 'between' WHERE id = 6");
    resume_and_compare();
    EXPECT_EQ(note_of(6), "between");
}

// A dump keeps its locks to its end. It is not waited for: the swap itself is what it may hold up.
TEST_F(change_log, the_old_one_that_a_dump_reads_is_dropped_later) {
    stop_with_a_change_in_the_log("COMMENT");
    kill();
    sync_connection dump = db().connect();
    dump.execute("BEGIN; LOCK TABLE pgeist_1.pgeist_log_before IN ACCESS SHARE MODE");
    pgeist_process resumed(db().uri(), {"resume", "1", "--output", "json", "--lock-timeout", "100ms"});
    resumed.wait_for_event("who reads it", [&](const auto& event) {
        return text_of(event, "text").find("pid " + std::to_string(dump.backend_pid())) != std::string::npos;
    });
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sql().execute("UPDATE public.t SET note = 'between' WHERE id = 6");
    dump.execute("COMMIT");
    begin_the_swap();
    const run_result ended = resumed.finish();
    EXPECT_TRUE(exited(ended, 0));
    EXPECT_TRUE(says(ended, {"pgeist_1.pgeist_log_before, is still read by", "dropped later"}));
    EXPECT_EQ(note_of(1), "late");
    EXPECT_EQ(note_of(2), "no row");
    EXPECT_EQ(note_of(6), "between");
    EXPECT_FALSE(is_in_two_parts());
    expect_cleanup_leaves_nothing();
}

TEST_F(change_log, cleanup_when_it_is_in_two_parts) {
    stop_with_a_change_in_the_log("COMMENT");
    kill();
    ASSERT_TRUE(is_in_two_parts());
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_EQ(note_of(1), "late");
}

TEST_F(change_log, writers_that_never_stop_lose_nothing) {
    postpone_with_a_dead_log();
    constexpr int writers = 4;
    std::atomic<bool> stop = false;
    std::vector<long long> made(writers);
    std::vector<std::string> errors(writers);
    std::vector<std::thread> threads;
    for (int id = 0; id < writers; ++id) {
        threads.emplace_back([&, id] {
            try {
                sync_connection connection = db().connect();
                while (!stop) {
                    connection.execute("UPDATE public.t SET code = code + 1 WHERE id = " + std::to_string(id + 1));
                    ++made[static_cast<std::size_t>(id)];
                }
            } catch (const std::exception& failure) {
                errors[static_cast<std::size_t>(id)] = failure.what();
            }
        });
    }
    begin_the_swap();
    const run_result result = running().finish();
    stop = true;
    for (std::thread& each : threads) {
        each.join();
    }
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"it was changed for a new one"}));
    for (int id = 0; id < writers; ++id) {
        const auto at = static_cast<std::size_t>(id);
        EXPECT_EQ(errors[at], "");
        EXPECT_EQ(sql().number("SELECT code FROM public.t WHERE id = " + std::to_string(id + 1)),
                  10 * (id + 1) + made[at]);
    }
    expect_cleanup_leaves_nothing();
}

/// The run was begun by the table's owner, and a superuser goes on with it.
class change_log_of_another_role : public change_log {
protected:
    void SetUp() override {
        change_log::SetUp();
        if (IsSkipped()) {
            return;
        }
        owner = db().create_role("owner");
        writer = db().create_role("writer");
        watcher = db().create_role("watcher");
        sql().execute("GRANT CREATE ON DATABASE " + db().name() + " TO " + owner +
                      "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner + "; GRANT USAGE ON SCHEMA public TO " +
                      writer + "; ALTER TABLE public.t OWNER TO " + owner +
                      "; GRANT SELECT, INSERT, UPDATE, DELETE ON public.t TO " + writer);
    }

    void resume_as_superuser_with_a_dead_log() {
        running_as(db().uri_as(owner), {"run", "--output", "json", "--table", "t", "--alter",
                                        "ALTER COLUMN id TYPE bigint", "--postpone-swap", "--lock-timeout", "100ms"});
        wait_for_job_state(db().uri(), "waiting_for_swap");
        running().kill_hard();
        running_as(db().uri(), {"resume", "1", "--output", "json"});
        wait_for_job_state(db().uri(), "waiting_for_swap");
        fill_the_log();
    }

    void change_it() {
        const std::string before = sql().scalar("SELECT 'pgeist_1.pgeist_log'::regclass::oid");
        EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"swap", "1"}), 0));
        wait_for("a new log",
                 [&] { return sql().scalar("SELECT coalesce(to_regclass('pgeist_1.pgeist_log')::oid, 0)") != before; });
    }

    /// All that one log should have of the other.
    std::string properties() {
        return sql().scalar(
            "SELECT concat_ws(' ', pg_get_userbyid(c.relowner), (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM "
            "aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) AS x(grantor, grantee, privilege, "
            "grantable)), "
            "(SELECT spcname FROM pg_tablespace WHERE oid = c.reltablespace), (SELECT string_agg(o, ' ' ORDER BY o) "
            "FROM "
            "unnest(c.reloptions) AS o), (SELECT string_agg(o, ' ' ORDER BY o) FROM pg_class t, unnest(t.reloptions) "
            "AS "
            "o WHERE t.oid = c.reltoastrelid), c.relpersistence, c.relreplident) FROM pg_class c WHERE c.oid = "
            "'pgeist_1.pgeist_log'::regclass");
    }

    std::string owner;
    std::string writer;
    std::string watcher;
};

TEST_F(change_log_of_another_role, writers_write_into_the_new_one) {
    resume_as_superuser_with_a_dead_log();
    sync_connection holder = db().connect();
    holder.execute("BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE");  // no swap yet
    change_it();
    db().connect_as(writer).execute(
        "UPDATE public.t SET note = 'late' WHERE id = 1; DELETE FROM public.t WHERE id = 2; UPDATE public.t SET id = "
        "-3 "
        "WHERE id = 3; INSERT INTO public.t (id, note) VALUES (1000, 'new')");
    holder.execute("COMMIT");
    finish();
    EXPECT_EQ(note_of(1), "late");
    EXPECT_EQ(note_of(2), "no row");
    EXPECT_EQ(note_of(3), "no row");
    EXPECT_EQ(note_of(-3), "note 3");
    EXPECT_EQ(note_of(1000), "new");
    // A third one cleans up.
    const std::string third = db().create_role("third");
    sql().execute("GRANT " + owner + " TO " + third);
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(third), {"cleanup", "--all"}), 0));
    expect_nothing_left();
}

TEST_F(change_log_of_another_role, the_new_one_has_what_the_old_one_had) {
    resume_as_superuser_with_a_dead_log();
    sql().execute("GRANT SELECT ON pgeist_1.pgeist_log TO " + watcher +
                  " WITH GRANT OPTION; ALTER TABLE pgeist_1.pgeist_log SET (fillfactor = 90); ALTER TABLE "
                  "pgeist_1.pgeist_log SET TABLESPACE " +
                  db().create_tablespace("logs") + "; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO " + writer);
    sql().execute(
        "BEGIN; INSERT INTO pgeist_1.pgeist_log SELECT 0 FROM generate_series(1, 150000); DELETE FROM "
        "pgeist_1.pgeist_log WHERE k1 = 0; COMMIT");
    const std::string before = properties();
    sync_connection holder = db().connect();
    holder.execute("BEGIN; LOCK TABLE public.t IN ACCESS SHARE MODE");
    change_it();
    EXPECT_EQ(properties(), before);
    holder.execute("COMMIT");
    finish();
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
