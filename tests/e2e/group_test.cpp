// Several tables, one swap: keys and what refers to them get another type together.

#include "e2e/group_test.hpp"

#include <gtest/gtest.h>

#include <set>

#include <boost/json/serialize.hpp>

#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class group : public group_test {};

TEST_F(group, rekeys_tables_that_refer_to_each_other) {
    make_tables(500);
    const auto keys = constraints();
    const std::string rows = digest();
    const run_result done = run_group();
    ASSERT_TRUE(exited(done, 0));
    EXPECT_EQ(types(), all_uuid);
    EXPECT_EQ(constraints(), keys);
    EXPECT_EQ(digest(), rows);
    std::set<std::string> held;
    std::set<long long> jobs;
    const auto swaps = done.events("swap");
    for (const auto& each : swaps) {
        held.insert(boost::json::serialize(each.at("lock_held_ms")));
        jobs.insert(each.at("job").as_int64());
    }
    EXPECT_EQ(swaps.size(), 3U);
    EXPECT_EQ(jobs.size(), 3U) << "one a member";
    EXPECT_EQ(held.size(), 1U) << "one transaction";
    EXPECT_EQ(done.events("result").size(), 1U);
    EXPECT_EQ(sql().number("SELECT count(DISTINCT swap_xid) FROM pgeist.jobs"), 1);
    for (const auto& each : job_list(db().uri())) {
        EXPECT_EQ(each.at("state").as_string(), "done");
        EXPECT_EQ(each.at("group").as_int64(), *jobs.begin());
    }
    expect_cleanup_leaves_nothing();
}

// The application writes parents and children while each of the tables is copied, and cascades go on.
TEST_F(group, keeps_what_is_written_meanwhile) {
    make_tables(300);
    auto process = start_group({"--postpone-swap", "--chunk-rows", "50"});
    wait_for("three jobs", [&] { return sql().number("SELECT count(*) FROM pg_class WHERE relname = 'jobs'") == 1; });
    process->wait_for_event("a table to be ready", [](const auto& event) {
        return event.at("event").as_string() == "phase" && event.at("name").as_string() == "swap";
    });
    sql().execute(
        "BEGIN; INSERT INTO person VALUES (k(1, 9001), NULL, k(2, 9001)); INSERT INTO orders VALUES (k(2, 9001), k(1, "
        "9001)); INSERT INTO item VALUES (k(3, 9001), k(2, 9001), k(1, 9001)); COMMIT;"
        "DELETE FROM person WHERE id = k(1, 300);"                            // its order, and both items
        "UPDATE orders SET person = k(1, 7) WHERE id IN (k(2, 8), k(2, 9));"  // children move to another parent
        "UPDATE person SET favourite = NULL WHERE id = k(1, 77);"
        "UPDATE orders SET id = k(2, 7777) WHERE id = k(2, 77)");  // ON UPDATE CASCADE
    const std::string rows = digest();
    const auto keys = constraints();
    EXPECT_TRUE(exited(command("swap", {"2"}), 0)) << "of any member";
    EXPECT_TRUE(exited(process->finish(), 0));
    EXPECT_EQ(digest(), rows);
    EXPECT_EQ(types(), all_uuid);
    EXPECT_EQ(constraints(), keys);
    EXPECT_EQ(sql().number("SELECT count(*) FROM item WHERE orders::text = k(2, 7777)"), 2);
}

TEST_F(group, is_steered_and_cancelled_by_any_member) {
    make_tables(100);
    const auto before = constraints();
    auto process = start_group({"--postpone-swap"});
    wait_for("the swap to be waited for", [&] {
        const auto jobs = job_list(db().uri());
        return jobs.size() == 3 && jobs[2].at("state").as_string() == "waiting_for_swap";
    });
    EXPECT_TRUE(exited(command("pause", {"3"}), 0));
    wait_for("all to be paused", [&] {
        const auto jobs = job_list(db().uri());
        return jobs[0].at("state").as_string() == "paused" && jobs[1].at("state").as_string() == "paused";
    });
    EXPECT_TRUE(exited(command("continue", {"2"}), 0));
    EXPECT_TRUE(exited(command("verify", {"2"}), 0));
    EXPECT_TRUE(exited(command("cancel", {"3"}), 0));
    process->finish();
    EXPECT_EQ(constraints(), before);
    expect_cleanup_leaves_nothing();
}

TEST_F(group, goes_on_after_a_kill_and_is_cleaned_up_by_any_member) {
    make_tables(100);
    const std::string rows = digest();
    const auto keys = constraints();
    auto process = start_group({"--postpone-swap"});
    wait_for("the swap to be waited for", [&] {
        const auto jobs = job_list(db().uri());
        return jobs.size() == 3 && jobs[0].at("state").as_string() == "waiting_for_swap";
    });
    process->kill_hard();
    sql().execute(
        "UPDATE pgeist.jobs SET phase = 'verify' WHERE id = 2");  // as if it had not been as far as the larger one
    pgeist_process again(db().uri(), {"resume", "--output", "json", "3"});
    // By what this process tells: the killed one's row says that it waits until the job is taken over.
    again.wait_for_event("the swap to be waited for", [](const auto& event) {
        return text_of(event, "event") == "progress" && text_of(event, "detail").find("postponed") != std::string::npos;
    });
    wait_for("the swap to be waited for again", [&] {
        const auto jobs = job_list(db().uri());
        return jobs[1].at("state").as_string() == "waiting_for_swap" && jobs[1].at("pid_alive").as_bool();
    });
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(again.finish(), 0));
    EXPECT_EQ(types(), all_uuid);
    EXPECT_EQ(digest(), rows);
    EXPECT_EQ(constraints(), keys);
    EXPECT_TRUE(exited(command("cleanup", {"2"}), 0));
    expect_nothing_left();
}

TEST_F(group, refuses_a_policy_on_one_that_reads_another) {
    make_tables(10);
    sql().execute("CREATE POLICY known ON orders USING (EXISTS (SELECT FROM person WHERE person.id = orders.person))");
    const run_result done = run_group();
    EXPECT_TRUE(exited(done, 3));
    EXPECT_TRUE(says(done, {"policy known on public.orders reads public.person"}));
    expect_nothing_left();
}

// What cannot stand between the new tables is said before anything is made.
TEST_F(group, refuses_a_key_whose_ends_would_not_fit) {
    make_tables(10);
    sql().execute("DROP TABLE item");
    const run_result done = run_pgeist(
        db().uri(), {"run", "--table", "person", "--alter",
                     "ALTER COLUMN id TYPE uuid USING id::uuid, ALTER COLUMN boss TYPE uuid USING boss::uuid, "
                     "ALTER COLUMN favourite TYPE uuid USING favourite::uuid",
                     "--table", "orders", "--alter", "ALTER COLUMN id TYPE uuid USING id::uuid"});
    EXPECT_TRUE(exited(done, 3));
    EXPECT_TRUE(says(done, {"foreign key constraint", "cannot be implemented", "person text and id uuid"}));
    expect_nothing_left();
}

}  // namespace
}  // namespace pgeist::test
