// What goes on around a swap that can be taken back: other roles, transactions in two phases, subscriptions, a standby
// that becomes the primary, a state schema that is gone.

#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>

#include "e2e/revert/revert_fixture.hpp"
#include "support/private_server.hpp"
#include "support/tcp_proxy.hpp"

namespace pgeist::test {
namespace {

constexpr const char* widen = "ALTER COLUMN id TYPE bigint";

class around_revert : public revert_test {
protected:
    /// A role that owns the table, may make pgeist's schemas, and is no superuser.
    std::string give_table_to_owner() {
        const std::string owner = db().create_role("owner");
        sql().execute("GRANT CREATE ON DATABASE " + db().name() + " TO " + owner +
                      "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner + "; ALTER TABLE t OWNER TO " + owner);
        return owner;
    }
};

/// Scripts that are called, and a page of metrics.
class told_around_revert : public around_revert {
protected:
    void SetUp() override {
        around_revert::SetUp();
        if (!IsSkipped()) {
            std::filesystem::create_directories(folder());
            for (const char* name : {"on-reverted", "on-not-revertible"}) {
                std::ofstream(folder() / name)
                    << "#!/bin/sh\necho \"$PGEIST_EVENT $PGEIST_REASON\" >> " << (folder() / "told").string() << "\n";
                std::filesystem::permissions(folder() / name, std::filesystem::perms::owner_all);
            }
        }
    }

    void TearDown() override {
        std::filesystem::remove_all(folder());
        around_revert::TearDown();
    }

    std::filesystem::path folder() { return std::filesystem::path(::testing::TempDir()) / db().name(); }

    std::string text_in(const char* name) {
        std::ifstream file(folder() / name);
        return {std::istreambuf_iterator<char>(file), {}};
    }

    /// The value of pgeist_job_revertible on the page of metrics.
    std::string gauge() {
        std::istringstream page(text_in("page"));
        for (std::string line; std::getline(page, line);) {
            if (line.rfind("pgeist_job_revertible{", 0) == 0) {
                return line.substr(line.rfind(' ') + 1);
            }
        }
        return "";
    }
};

TEST_F(told_around_revert, hooks_and_metrics_follow_the_way_back) {
    make_table(100);
    const std::vector<std::string> telling{"--hook-dir", folder().string(), "--metrics", (folder() / "page").string()};
    const auto window = start_window(widen, telling);
    wait_for("1 in the metrics", [&] { return gauge() == "1"; });
    sql().execute("UPDATE t SET id = 3000000000 WHERE id = 1");
    wait_for("0 in the metrics, the row does not fit", [&] { return gauge() == "0"; });
    sql().execute("DELETE FROM t WHERE id = 3000000000");
    wait_for("1 in the metrics again", [&] { return gauge() == "1"; });
    ASSERT_TRUE(exited(revert({"--hook-dir", folder().string()}), 0));
    EXPECT_TRUE(exited(window->finish(), 0));
    EXPECT_EQ(text_in("told"), "reverted \n");
}

TEST_F(told_around_revert, hooks_and_metrics_tell_that_it_is_gone) {
    make_table(100);
    const auto window =
        start_window(widen, {"--hook-dir", folder().string(), "--metrics", (folder() / "page").string()});
    sql().execute("ALTER TABLE t DROP COLUMN note; INSERT INTO t VALUES (500, 1, 1)");
    EXPECT_TRUE(exited(window->finish(), 0));
    EXPECT_EQ(text_in("told").rfind("not-revertible ", 0), 0U) << text_in("told");
    EXPECT_NE(text_in("told").find("note"), std::string::npos) << text_in("told");
    EXPECT_EQ(gauge(), "0");
}

/// A prepared transaction keeps its locks without any session: whoever swaps back waits, names it and leaves the way
/// open.
TEST_F(around_revert, a_prepared_transaction_is_waited_for_and_its_rows_come_back) {
    make_table(50);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    const std::string gid = sql().literal("in two phases " + db().name());
    sql().execute("BEGIN; UPDATE t SET note = 'in two phases' WHERE id = 5; PREPARE TRANSACTION " + gid);
    const run_result blocked = revert({"--swap-attempts", "12", "--swap-max-wait", "2s"});
    EXPECT_TRUE(exited(blocked, 4));
    EXPECT_TRUE(says(blocked, {"in two phases", "pgeist revert 1"}));
    EXPECT_EQ(told("revertible"), "true");
    sql().execute("COMMIT PREPARED " + gid);
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(note_of(5), "in two phases");
    EXPECT_EQ(type_of("id"), "integer");
}

/// The owner is no superuser, the application may do little: neither notices anything of the window.
TEST_F(around_revert, needs_no_superuser_and_asks_nothing_of_who_writes) {
    make_table(50);
    const std::string owner = give_table_to_owner();
    const std::string writer = db().create_role("writer");
    sql().execute("GRANT SELECT, INSERT, UPDATE, DELETE ON t TO " + writer);
    const auto as_owner = [&](std::vector<std::string> arguments) {
        return run_pgeist(db().uri_as(owner), std::move(arguments));
    };
    ASSERT_TRUE(exited(
        as_owner({"run", "--table", "t", "--revertible", "--alter", "ALTER COLUMN id TYPE bigint, DROP COLUMN code"}),
        0));
    sync_connection application(db().uri_as(writer));
    application.execute(
        "INSERT INTO t VALUES (500, 'new', 1); UPDATE t SET note = 'since' WHERE id = 3; UPDATE t SET id = 600 WHERE "
        "id "
        "= 4; DELETE FROM t WHERE id = 5; INSERT INTO t VALUES (3000000000, 'too large', 1)");
    EXPECT_TRUE(exited(as_owner({"revert", "1"}), 3));
    application.execute("DELETE FROM t WHERE id = 3000000000");
    sql().execute("ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY");
    const run_result forced = as_owner({"revert", "1"});
    EXPECT_TRUE(exited(forced, 3));
    EXPECT_TRUE(says(forced, {"the table's own properties"}));
    sql().execute("ALTER TABLE t DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY");
    ASSERT_TRUE(exited(as_owner({"revert", "1"}), 0));
    EXPECT_EQ(application.scalar("SELECT concat_ws(' ', note, code) FROM t WHERE id = 600"), "note 4 40");
    EXPECT_EQ(application.scalar("SELECT concat_ws(' ', note, code) FROM t WHERE id = 500"), "new");
    application.execute("INSERT INTO t VALUES (501, 'for the next', 1, 2)");
    ASSERT_TRUE(exited(as_owner({"revert", "1"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    // Somebody else's state: what goes is the job's, with the rights of who cleans up.
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    application.execute("INSERT INTO t VALUES (502, 'afterwards', 1)");
    expect_nothing_left();
}

/// The functions that log run with the owner's rights: what he may not call would make the application fail.
TEST_F(around_revert, an_owner_who_may_not_ask_where_the_wal_is_has_no_way_back) {
    make_table(50);
    const std::string owner = give_table_to_owner();
    sql().execute("REVOKE EXECUTE ON FUNCTION pg_current_wal_insert_lsn() FROM PUBLIC");
    const run_result refused = run_pgeist(
        db().uri_as(owner), {"run", "--table", "t", "--method", "copy", "--revertible", "--alter", "DROP COLUMN code"});
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"may not call pg_current_wal_insert_lsn()", "GRANT EXECUTE ON FUNCTION"}));
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    expect_nothing_left();
}

/// Where the server may not count the rows that a transaction inserts, each of them is logged by itself.
TEST_F(around_revert, new_rows_are_logged_one_by_one_where_nobody_counts_them) {
    make_table(50);
    const std::string by_rows = "SELECT tgtype & 1 FROM pg_trigger WHERE tgname = 'pgeist_1_back_insert'";
    sql().execute("ALTER DATABASE " + db().name() + " SET track_counts = off");
    ASSERT_TRUE(exited(run_revertible("DROP COLUMN code"), 0));
    EXPECT_EQ(sql().number(by_rows), 1);
    sync_connection application(db().uri());
    application.execute(
        "DELETE FROM t WHERE id = 5; CREATE FUNCTION act() RETURNS int LANGUAGE plpgsql AS $$ BEGIN UPDATE t SET id = "
        "900 WHERE id = 5; UPDATE t SET id = 5 WHERE id = 1; RETURN 0; END $$; INSERT INTO t (id, note) SELECT i, CASE "
        "WHEN i = 5 OR act() = 0 THEN 'young' END FROM generate_series(5, 6) AS x (y) CROSS JOIN LATERAL (SELECT CASE "
        "y WHEN 5 THEN 5 ELSE 800 END) AS z (i)");
    ASSERT_TRUE(exited(revert(), 0));
    EXPECT_EQ(sql().scalar("SELECT string_agg(concat_ws(' ', id, note, code), ', ' ORDER BY id) FROM t WHERE id IN (5, "
                           "800, 900)"),
              "5 note 1 10, 800 young, 900 young");
    sql().execute("ALTER DATABASE " + db().name() + " RESET track_counts");
    EXPECT_TRUE(exited(revert(), 0));
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
}

/// Who drops pgeist's tables by hand: the application goes on, and what is left goes with its schemas.
TEST_F(around_revert, a_state_that_is_dropped_leaves_the_application_alone) {
    make_table(50);
    const auto window = start_window(widen);
    sql().execute("DROP SCHEMA pgeist CASCADE; INSERT INTO t VALUES (500, 'new', 1, 1)");
    const run_result ended = window->finish();
    EXPECT_NE(ended.exit_code, 0);
    sql().execute(
        "UPDATE t SET note = 'since' WHERE id = 3; DROP SCHEMA pgeist_1_back, pgeist_1, pgeist_1_old CASCADE");
    sql().execute("UPDATE t SET note = 'later' WHERE id = 3");
    expect_nothing_left();
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN code TYPE bigint"}), 0));
}

/// A subscription writes without the statement triggers that log: it ends the way, by name.
TEST_F(around_revert, a_subscription_that_writes_to_the_table_ends_the_way) {
    make_table(50);
    ASSERT_TRUE(exited(run_revertible(widen), 0));
    const std::string name = db().name() + "_sub";
    sql().execute("CREATE SUBSCRIPTION " + name +
                  " CONNECTION 'dbname=nowhere' PUBLICATION nothing WITH (connect = false, "
                  "slot_name = NONE)");
    sql().execute(
        "SET allow_system_table_mods TO on; INSERT INTO pg_subscription_rel SELECT oid, 't'::regclass, 'r', NULL "
        "FROM pg_subscription WHERE subname = '" +
        name + "'");
    const run_result refused = revert();
    sql().execute("DROP SUBSCRIPTION " + name);
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"a subscription writes to the table now"}));
    EXPECT_EQ(type_of("id"), "bigint");
}

/// The primary is lost in the window: the new one has the log, and whoever asks it goes on from there.
TEST_F(around_revert, a_standby_that_becomes_the_primary_swaps_back) {
    auto primary = std::make_unique<private_server>(server_major(sql()));
    private_server standby(replica_of{*primary});
    const std::string uri = primary->address().uri();
    sync_connection writer(uri);
    writer.execute(
        "CREATE TABLE t (id int PRIMARY KEY, note text, code int); INSERT INTO t SELECT i, 'n' || i, i FROM "
        "generate_series(1, 100) i");
    ASSERT_TRUE(exited(
        run_pgeist(uri, {"run", "--table", "t", "--revertible", "--alter", "ALTER id TYPE bigint, DROP code"}), 0));
    writer.execute(
        "UPDATE t SET note = 'since' WHERE id = 3; INSERT INTO t VALUES (500, 'new'); UPDATE t SET id = 600 WHERE "
        "id = 4");
    const std::string reached = writer.scalar("SELECT pg_current_wal_lsn()");
    const std::string there = standby.address().uri();
    {
        sync_connection reader(there);
        wait_for("the standby",
                 [&] { return reader.number("SELECT (pg_last_wal_replay_lsn() >= '" + reached + "')::int") == 1; });
    }
    primary->stop("immediate");
    standby.promote();
    ASSERT_TRUE(exited(run_pgeist(there, {"revert", "1"}), 0));
    sync_connection after(there);
    EXPECT_EQ(
        after.scalar("SELECT string_agg(concat_ws(' ', id, note, code), ', ' ORDER BY id) FROM t WHERE id IN (3, 4, "
                     "500, 600)"),
        "3 since 3, 500 new, 600 n4 4");
    EXPECT_TRUE(exited(run_pgeist(there, {"cleanup", "1"}), 0));
}

/// The server crashes at the commit of the swap, in the window, and at the commit of the swap back, and the program
/// with it: what the server has committed is logged, and whoever goes on brings it back.
class crashed_around_revert : public around_revert {
protected:
    void SetUp() override {
        around_revert::SetUp();
        if (!IsSkipped()) {
            server = std::make_unique<private_server>(server_major(sql()));
            connect();
            there->execute(
                "CREATE TABLE t (id int PRIMARY KEY, note text, code int); INSERT INTO t SELECT i, 'n' || i, i FROM "
                "generate_series(1, 100) i");
        }
    }

    void connect() {
        wait_for("the server after its crash", [&] {
            try {
                there = std::make_unique<sync_connection>(server->address().uri());
                return true;
            } catch (const sql_error&) {
                return false;
            }
        });
    }

    /// The COMMIT is done, nobody hears of it, and both sides are gone at once.
    void crash_at_commit(std::vector<std::string> arguments) {
        tcp_proxy proxy(server->address());
        proxy.lay({"swap_xid = pg_current_xact_id()", "COMMIT", fate::answer_lost});
        arguments.insert(arguments.end(), {"--output", "json"});
        pgeist_process running(proxy.through(server->address()).uri(), std::move(arguments));
        proxy.wait_for_ambush();
        running.kill_hard();  // or it would find out by itself, and go on
        server->stop("immediate");
        server->start();
        connect();
    }

    run_result command_there(std::vector<std::string> arguments) {
        return run_pgeist(server->address().uri(), std::move(arguments));
    }

    void write(int number) {
        const std::string n = std::to_string(number);
        there->execute("UPDATE t SET note = 'w" + n + "' WHERE id = 1" + n + "; DELETE FROM t WHERE id = 2" + n +
                       "; UPDATE t SET id = 30" + n + " WHERE id = 3" + n + "; INSERT INTO t (id, note) VALUES (50" +
                       n + ", 'new'); DROP TABLE IF EXISTS expected; CREATE TABLE expected AS TABLE t");
    }

    void expect_rows(const std::string& type) {
        EXPECT_EQ(there->scalar("SELECT format_type(atttypid, -1) FROM pg_attribute WHERE attrelid = 't'::regclass AND "
                                "attname = 'id'"),
                  type);
        EXPECT_EQ(differing_rows(*there, "expected", "t", "id, note"), std::vector<std::string>{});
    }

    std::unique_ptr<private_server> server;
    std::unique_ptr<sync_connection> there;
};

TEST_F(crashed_around_revert, nothing_is_lost_at_any_of_its_commits) {
    crash_at_commit({"run", "--table", "t", "--revertible", "--alter", "ALTER id TYPE bigint, DROP code"});
    write(1);
    ASSERT_TRUE(exited(command_there({"resume", "1"}), 0));
    expect_rows("bigint");
    pgeist_process kept(server->address().uri(), {"resume", "1", "--output", "json"});
    kept.wait_for_phase("window");
    write(2);
    server->stop("immediate");
    server->start();
    connect();
    write(3);
    wait_for("what was written is brought to the table that waits",
             [&] { return there->number("SELECT count(*) FROM pgeist_1.t WHERE id = 503") == 1; });
    write(4);
    crash_at_commit({"revert", "1"});
    EXPECT_TRUE(exited(kept.finish(), 0));
    write(5);
    ASSERT_TRUE(exited(command_there({"resume", "1"}), 0));
    expect_rows("integer");
    EXPECT_EQ(there->scalar("SELECT string_agg(format('%s %s', id, code), ', ' ORDER BY id) FROM t WHERE id > 300"),
              "301 31, 302 32, 303 33, 304 34, 305 35, 501 , 502 , 503 , 504 , 505 ");
    ASSERT_TRUE(exited(command_there({"revert", "1"}), 0));
    expect_rows("bigint");
    EXPECT_TRUE(exited(command_there({"cleanup", "1"}), 0));
}

}  // namespace
}  // namespace pgeist::test
