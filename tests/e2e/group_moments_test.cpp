// Several tables, one swap: what a reader sees whose snapshot lies between the last changes of one table and those of
// another; a kill while one table is further than another; one table's connection cut while it is copied.

#include <gtest/gtest.h>

#include <ostream>

#include "e2e/group_test.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

constexpr const char* swap_noted = "swap_xid = pg_current_xact_id()";
/// Begins the pass over all logs in one snapshot.
constexpr const char* pass_of_all = R"("pgeist_1"."person", ONLY "public"."orders")";
constexpr const char* second_log = R"("pgeist_2"."pgeist_log")";

class group_moments : public group_test {
protected:
    /// One transaction in two tables.
    void pay(int number) {
        const std::string n = std::to_string(number);
        sql().execute("BEGIN; UPDATE person SET balance = 90 WHERE id = k(1, " + n +
                      "); UPDATE orders SET note = 'paid' WHERE id = k(2, " + n + "); COMMIT");
    }
};

// 1. The last pass of all has read person's log, and not yet that of orders. 2. A transaction that writes both commits.
// 3. The pass goes on, and the locks are asked for. 4. A reader takes its snapshot, 5. and reads after the swap: with
// each log read as it is when its turn comes it would see what was written to orders, and not what to person. The same
// of the pass before, from which materialized views are built.
TEST_F(group_moments, show_one_transaction_in_two_tables_whole_or_not_at_all) {
    make_tables(50);
    sql().execute(
        "CREATE MATERIALIZED VIEW stored AS SELECT (SELECT sum(balance) FROM person) AS balance, (SELECT count(*) FROM "
        "orders WHERE note = 'paid') AS paid");
    tcp_proxy proxy(db().address());
    pgeist_process running(proxy.through(db().address()).uri(), arguments({"--postpone-swap"}));
    wait_for("the swap to be waited for", [&] {
        const auto jobs = job_list(db().uri());
        return jobs.size() == 3 && jobs[0].at("state").as_string() == "waiting_for_swap";
    });
    proxy.lay({pass_of_all, second_log, fate::held});
    ASSERT_TRUE(exited(command("swap", {"1"}), 0));
    proxy.wait_for_ambush();  // of the pass that builds what is built ahead
    pay(2);
    proxy.lay({pass_of_all, second_log, fate::held});
    proxy.release();
    proxy.wait_for_ambush();  // of the last one
    pay(1);
    proxy.lay({"", "IN ACCESS EXCLUSIVE MODE", fate::held});
    proxy.release();
    proxy.wait_for_ambush();
    auto reader = db().connect();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    proxy.release();
    wait_for("the swap",
             [&] { return sql().number("SELECT count(*) FROM pgeist.jobs WHERE swap_xid IS NOT NULL") == 3; });
    const std::string seen =
        "SELECT (p.balance = 90)::int || ' ' || (o.note = 'paid')::int || ' ' || pg_typeof(p.id) || ' ' || "
        "pg_typeof(o.id) FROM person p, orders o WHERE p.id::text = k(1, 1) AND o.id::text = k(2, 1)";
    EXPECT_EQ(reader.scalar(seen), "0 0 uuid uuid");
    reader.execute("COMMIT");
    EXPECT_EQ(reader.scalar(seen), "1 1 uuid uuid");
    EXPECT_EQ(reader.scalar("SELECT balance || ' ' || paid FROM stored"), "5000 0");
    EXPECT_TRUE(exited(running.finish(), 0));
}

// The rows that a new foreign key would find are looked for where both tables are of one moment: here the child comes
// with its parent after the parents' log has been read, and before the children's.
TEST_F(group_moments, look_for_what_violates_a_new_key_in_one_snapshot) {
    sql().execute(
        "CREATE TABLE a (id int PRIMARY KEY); INSERT INTO a SELECT generate_series(1, 50); CREATE TABLE b (id int "
        "PRIMARY KEY, a_id int); INSERT INTO b SELECT i, i FROM generate_series(1, 50) AS i");
    tcp_proxy proxy(db().address());
    proxy.lay({R"("pgeist_1"."a", ONLY "public"."b")", second_log, fate::held});
    pgeist_process running(
        proxy.through(db().address()).uri(),
        {"run", "--output", "json", "--method", "copy", "--table", "a", "--alter", "ADD COLUMN x int", "--table", "b",
         "--alter", "ADD CONSTRAINT of_a FOREIGN KEY (a_id) REFERENCES a"});
    proxy.wait_for_ambush();
    sql().execute("BEGIN; INSERT INTO a VALUES (51); INSERT INTO b VALUES (51, 51); COMMIT");
    proxy.release();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM b JOIN a ON a.id = a_id"), 51);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conname = 'of_a' AND convalidated"), 1);
    expect_cleanup_leaves_nothing();
}

/// The message at which the program is killed: before it arrives.
struct kill_point {
    const char* name;
    const char* after;
    const char* text;
    bool swapped;
};

void PrintTo(const kill_point& value, std::ostream* out) { *out << value.name; }

class group_kill_points : public group_test, public ::testing::WithParamInterface<kill_point> {};

TEST_P(group_kill_points, between_members_are_survived) {
    make_tables(50);
    const auto keys = constraints();
    tcp_proxy proxy(db().address());
    proxy.lay({GetParam().after, GetParam().text, fate::held});
    pgeist_process running(proxy.through(db().address()).uri(), arguments({"--workers", "1"}));
    proxy.wait_for_ambush();
    running.kill_hard();
    proxy.drop_all();
    wait_for_end_of_sessions();
    EXPECT_EQ(types() == all_uuid, GetParam().swapped);
    sql().execute(
        "UPDATE person SET balance = 7 WHERE id::text = k(1, 5); DELETE FROM person WHERE id::text = k(1, 50); "
        "UPDATE item SET n = -1 WHERE id = k(3, 9)");
    const std::string rows = digest();
    EXPECT_TRUE(exited(command("resume", {"3"}), 0));
    EXPECT_EQ(types(), all_uuid);
    EXPECT_EQ(digest(), rows);
    EXPECT_EQ(constraints(), keys);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.jobs WHERE state = 'done'"), 3);
    expect_cleanup_leaves_nothing();
}

INSTANTIATE_TEST_SUITE_P(
    of, group_kill_points,
    ::testing::Values(kill_point{"capture_of_the_second", "", "CREATE TRIGGER pgeist_2_insert", false},
                      kill_point{"copy_of_the_second", "", R"(FROM ONLY "public"."orders" AS s WHERE s.)", false},
                      kill_point{"key_of_the_third", "'maintenance_work_mem'", R"(ON "pgeist_3"."item")", false},
                      kill_point{"the_first_key_to_be_valid", swap_noted, "VALIDATE CONSTRAINT \"", true},
                      kill_point{"the_end_of_the_second", "", R"(EXISTS "pgeist_2".capture_inserted)", true},
                      kill_point{"the_end_of_the_third", "", R"(EXISTS "pgeist_3".capture_inserted)", true},
                      kill_point{"the_end_of_the_leader", "", R"(EXISTS "pgeist_1".capture_inserted)", true}),
    [](const auto& one) { return std::string(one.param.name); });

// The others' connections live on: the table goes on from where it was, over a new one.
TEST_F(group_moments, survive_the_cut_of_one_members_connection) {
    make_tables(200);
    const std::string rows = digest();
    tcp_proxy proxy(db().address());
    proxy.lay({"", R"(FROM ONLY "public"."orders" AS s WHERE s.)", fate::answer_lost});
    pgeist_process running(proxy.through(db().address()).uri(), arguments({"--reconnect-max", "30s"}));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_TRUE(proxy.sprung());
    EXPECT_EQ(types(), all_uuid);
    EXPECT_EQ(digest(), rows);
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
