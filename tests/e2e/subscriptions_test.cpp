// Real subscribers: of a table that is published, over the swap; and into a partition, while it is copied.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// Two databases of one server. The slot is made by hand: CREATE SUBSCRIPTION would wait for itself.
class subscriptions : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        target = db().name() + "_target";
        sql().execute("CREATE DATABASE " + target);
        subscriber = std::make_unique<sync_connection>(target_uri());
    }

    void TearDown() override {
        if (subscriber) {
            subscriber->execute(subscribed ? "DROP SUBSCRIPTION " + target : "SELECT");
            subscriber.reset();
            sql().execute("DROP DATABASE " + target + " WITH (FORCE)");
        }
        run_test::TearDown();
    }

    std::string target_uri() { return db().address().with("dbname", target).uri(); }

    /// `publication`: what follows CREATE PUBLICATION feed. Both have `tables`; the slot begins before `rows`.
    void subscribe(const std::string& tables, const std::string& publication, const std::string& rows,
                   const std::string& of_subscriber = "SELECT") {
        sql().execute(tables);
        subscriber->execute(tables);
        subscriber->execute(of_subscriber);
        sql().execute("CREATE PUBLICATION feed " + publication);
        sql().execute("SELECT pg_create_logical_replication_slot('" + target + "', 'pgoutput')");
        std::string how;
        for (const char* keyword : {"host", "port", "user", "password"}) {
            const std::string value = db().address().get(keyword);
            how += value.empty() ? "" : std::string(keyword) + "=" + value + " ";
        }
        subscriber->execute(
            "CREATE SUBSCRIPTION " + target + " CONNECTION " + subscriber->literal(how + "dbname=" + db().name()) +
            " PUBLICATION feed WITH (create_slot = false, copy_data = false, slot_name = '" + target + "')");
        subscribed = true;
        sql().execute(rows);
    }

    void wait_until_caught_up() {
        const std::string now = sql().scalar("SELECT pg_current_wal_lsn()");
        wait_for("the subscriber to have caught up", [&] {
            return sql().number(
                       "SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1 AND confirmed_flush_lsn >= "
                       "$2::pg_lsn",
                       {target, now}) == 1;
        });
    }

    void expect_same(const std::string& table, const std::string& rows) {
        wait_until_caught_up();
        const std::string all = "SELECT string_agg(t::text, ',' ORDER BY id) FROM " + table + " t";
        EXPECT_EQ(sql().scalar(all), subscriber->scalar(all));
        EXPECT_EQ(subscriber->scalar("SELECT count(*) FROM " + table), rows);
    }

    std::string target;
    std::unique_ptr<sync_connection> subscriber;
    bool subscribed = false;
};

TEST_F(subscriptions, of_a_published_table_go_on_over_the_swap_without_a_refresh) {
    subscribe("CREATE TABLE public.t (id int PRIMARY KEY, note text)", "FOR TABLE public.t",
              "INSERT INTO public.t SELECT i, 'x' FROM generate_series(1, 500) AS i",
              "ALTER TABLE public.t ALTER COLUMN id TYPE bigint");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    running.wait_for_phase("swap");
    sync_connection open = db().connect();  // begun before the swap, and committed before it
    sql().execute("UPDATE public.t SET note = 'before' WHERE id <= 100; DELETE FROM public.t WHERE id > 450");
    open.execute("BEGIN; UPDATE public.t SET note = 'while it waits' WHERE id BETWEEN 101 AND 200");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    open.execute("COMMIT");
    EXPECT_TRUE(exited(running.finish(), 0));
    sql().execute(
        "UPDATE public.t SET note = 'after' WHERE id BETWEEN 151 AND 250; INSERT INTO public.t SELECT i, 'new' "
        "FROM generate_series(1001, 1100) AS i; DELETE FROM public.t WHERE id = 1");
    expect_same("public.t", "549");
    expect_cleanup_leaves_nothing();
}

TEST_F(subscriptions, into_a_partition_are_captured) {
    const std::string tables =
        "CREATE TABLE public.events (id int, part int, n int, PRIMARY KEY (id, part)) PARTITION BY LIST (part); CREATE "
        "TABLE public.events_1 PARTITION OF public.events FOR VALUES IN (1)";
    subscribe(tables, "FOR TABLE public.events WITH (publish_via_partition_root = true)",
              "INSERT INTO public.events SELECT i, 1, 0 FROM generate_series(1, 500) AS i");
    wait_until_caught_up();
    pgeist_process running(target_uri(),
                           {"run", "--output", "json", "--table", "events_1", "--repack", "--postpone-swap"});
    running.wait_for_phase("swap");
    sql().execute(
        "INSERT INTO public.events SELECT i, 1, 0 FROM generate_series(501, 1000) AS i; UPDATE public.events SET "
        "n = 1 WHERE id BETWEEN 251 AND 750; DELETE FROM public.events WHERE id <= 250");
    wait_until_caught_up();
    EXPECT_TRUE(exited(run_pgeist(target_uri(), {"swap", "1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_same("public.events", "750");
    EXPECT_TRUE(exited(run_pgeist(target_uri(), {"cleanup", "--all"}), 0));
}

TEST_F(subscriptions, into_the_table_itself_are_refused) {
    subscribe("CREATE TABLE public.t (id int PRIMARY KEY, note text)", "FOR TABLE public.t", "SELECT");
    const run_result planned = run_pgeist(target_uri(), {"plan", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(planned, 3));
    EXPECT_TRUE(says(planned, {"subscription " + target}));
}

}  // namespace
}  // namespace pgeist::test
