// Several tables, one swap, and what may come in between: a member that is truncated or altered by others, a reader
// that holds one of them, a commit whose answer is lost, a kill at the swap, objects that stand on several members.

#include <gtest/gtest.h>

#include "e2e/group_test.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

constexpr const char* swap_noted = "swap_xid = pg_current_xact_id()";

class group_steps : public group_test {
protected:
    void wait_for_swap_to_be_waited_for() {
        wait_for("the swap to be waited for", [&] {
            const auto jobs = job_list(db().uri());
            return jobs.size() == 3 && jobs[0].at("state").as_string() == "waiting_for_swap";
        });
    }
};

// One that is truncated starts again, with those that went with it; the others wait for it.
TEST_F(group_steps, start_again_with_what_was_truncated) {
    make_tables(200);
    auto process = start_group({"--postpone-swap"});
    wait_for_swap_to_be_waited_for();
    sql().execute(
        "TRUNCATE item; INSERT INTO item VALUES ('again', k(2, 1), k(1, 1), 1); UPDATE person SET balance = 7");
    const std::string rows = digest();
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    const run_result done = process->finish();
    EXPECT_TRUE(exited(done, 0));
    EXPECT_EQ(digest(), rows);
    EXPECT_EQ(types(), all_uuid);
    int copies = 0;
    for (const auto& each : done.events("phase")) {
        copies += each.at("name").as_string() == "copy" ? 1 : 0;
    }
    EXPECT_EQ(copies, 4) << "only the truncated one is copied again";
}

TEST_F(group_steps, swap_none_when_others_have_altered_one) {
    make_tables(50);
    auto process = start_group({"--postpone-swap"});
    wait_for_swap_to_be_waited_for();
    sql().execute("ALTER TABLE orders ADD COLUMN others_own int");
    process->finish();
    EXPECT_EQ(types(), "text text text text text text text text text");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.jobs WHERE swap_xid IS NOT NULL"), 0);
    expect_cleanup_leaves_nothing();
}

// Rows that only move are the same rows; TRUNCATE … CASCADE takes the tables that refer to it along.
TEST_F(group_steps, go_on_with_what_others_move_or_empty_together) {
    make_tables(100);
    auto process = start_group({"--postpone-swap"});
    wait_for_swap_to_be_waited_for();
    sql().execute("VACUUM FULL item");
    sql().execute("CLUSTER orders USING orders_pkey");
    sql().execute(
        "UPDATE person SET balance = 8; TRUNCATE orders CASCADE; INSERT INTO person (id) VALUES (k(1, 7)); "
        "INSERT INTO orders VALUES (k(2, 7), k(1, 7), 'again')");
    const std::string rows = digest();
    EXPECT_TRUE(exited(command("swap", {"2"}), 0));
    EXPECT_TRUE(exited(process->finish(), 0));
    EXPECT_EQ(digest(), rows);
    EXPECT_EQ(types(), all_uuid);
    expect_cleanup_leaves_nothing();
}

// It reads the child first and wants the parent, which would be held already: an attempt gives way, and never makes an
// error of it.
TEST_F(group_steps, give_way_to_who_reads_child_then_parent) {
    make_tables(50);
    auto process = start_group({"--postpone-swap"});
    wait_for_swap_to_be_waited_for();
    auto reader = db().connect();
    reader.execute("BEGIN; SELECT count(*) FROM item");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    process->wait_for_event("an attempt in vain",
                            [](const auto& event) { return event.at("event").as_string() == "lock_wait"; });
    reader.execute("SELECT count(*) FROM person; SELECT count(*) FROM orders; COMMIT");
    EXPECT_TRUE(exited(process->finish(), 0));
    EXPECT_EQ(types(), all_uuid);
}

TEST_F(group_steps, know_what_became_of_a_commit_without_answer) {
    make_tables(50);
    tcp_proxy proxy(db().address());
    const std::string rows = digest();
    proxy.lay({swap_noted, "COMMIT", fate::answer_lost});
    pgeist_process running(proxy.through(db().address()).uri(), arguments({"--reconnect-max", "30s"}));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_TRUE(proxy.sprung());
    EXPECT_EQ(types(), all_uuid);
    EXPECT_EQ(digest(), rows);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.jobs WHERE state = 'done'"), 3);
}

// Before the COMMIT arrives, and when it has been answered to nobody: none, or all of them.
class group_killed : public group_steps, public ::testing::WithParamInterface<fate> {};

TEST_P(group_killed, at_the_swap_swaps_all_or_none) {
    make_tables(50);
    const std::string rows = digest();
    const auto keys = constraints();
    tcp_proxy proxy(db().address());
    proxy.lay({swap_noted, "COMMIT", GetParam()});
    pgeist_process running(proxy.through(db().address()).uri(), arguments({}));
    proxy.wait_for_ambush();
    running.kill_hard();
    proxy.drop_all();
    wait_for_end_of_sessions();
    const std::string now = types();
    EXPECT_TRUE(now == all_uuid || now.find("uuid") == std::string::npos) << now;
    EXPECT_TRUE(exited(command("resume", {"2"}), 0));
    EXPECT_EQ(types(), all_uuid);
    EXPECT_EQ(digest(), rows);
    EXPECT_EQ(constraints(), keys);
    expect_cleanup_leaves_nothing();
}

INSTANTIATE_TEST_SUITE_P(before_and_after_the_commit, group_killed,
                         ::testing::Values(fate::held, fate::request_lost, fate::answer_lost));

TEST_F(group_steps, lead_over_once_what_stands_on_several_members) {
    make_tables(50);
    sql().execute(
        "CREATE VIEW public.seen AS SELECT o.note, i.n, p.balance FROM person p JOIN orders o ON o.person = p.id JOIN "
        "item "
        "i ON i.orders = o.id;"
        "CREATE VIEW public.with_keys AS SELECT p.id, o.id AS orders FROM person p JOIN orders o ON o.person = p.id;"
        "CREATE VIEW public.above AS SELECT with_keys.id, item.n FROM with_keys JOIN item ON item.orders = "
        "with_keys.orders;"
        "CREATE MATERIALIZED VIEW public.stored AS SELECT p.balance, i.n FROM person p JOIN item i ON i.person = p.id;"
        "CREATE FUNCTION public.how_many() RETURNS bigint LANGUAGE sql AS 'SELECT count(*) FROM person JOIN orders ON "
        "orders.person = person.id';"
        "CREATE PUBLICATION published FOR TABLE person, orders;"
        "GRANT SELECT ON seen TO PUBLIC");
    const std::string seen = sql().scalar("SELECT md5(string_agg(s::text, ' ' ORDER BY s::text)) FROM seen s");
    ASSERT_TRUE(exited(
        run_pgeist(db().uri(), {"run", "--method", "copy", "--table", "person", "--alter", "ADD COLUMN more int",
                                "--alter", "RENAME COLUMN balance TO amount", "--table", "orders", "--alter",
                                "RENAME COLUMN note TO remark", "--table", "item", "--alter", "ADD COLUMN more int"}),
        0));
    EXPECT_EQ(sql().number("SELECT count(DISTINCT swap_xid) FROM pgeist.jobs"), 1);
    EXPECT_EQ(sql().scalar("SELECT md5(string_agg(s::text, ' ' ORDER BY s::text)) FROM seen s"), seen);
    EXPECT_EQ(sql().number("SELECT count(*) FROM above"), 100);
    EXPECT_EQ(sql().number("SELECT count(*) FROM stored"), 100);
    EXPECT_EQ(sql().number("SELECT how_many()"), 50);
    EXPECT_EQ(sql().scalar("SELECT string_agg(tablename, ' ' ORDER BY tablename) FROM pg_publication_tables WHERE "
                           "pubname = 'published'"),
              "orders person");
    sql().execute("REFRESH MATERIALIZED VIEW stored; UPDATE person SET amount = 1; UPDATE orders SET remark = 'x'");
    EXPECT_EQ(sql().scalar("SELECT DISTINCT s::text FROM seen s WHERE n = 1"), "(x,1,1)");
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
