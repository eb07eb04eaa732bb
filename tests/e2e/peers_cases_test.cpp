// The cases in which other tools lost data, failed, hung or killed the application's sessions. Each must come out
// right.

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

class peers_case : public run_test {
protected:
    /// Starts int → bigint on public.t with the copy held at a row, where `at` is true.
    void start_held(gate& copying, const std::string& at, const std::string& alter = "ALTER COLUMN id TYPE bigint") {
        copying.close();
        held_run = std::make_unique<pgeist_process>(
            db().uri(), std::vector<std::string>{"run", "--output", "json", "--table", "t", "--alter", alter, "--set",
                                                 "note = " + copying.expression(at, "note"), "--chunk-rows", "100",
                                                 "--workers", "1"});
        copying.wait_until_reached();
    }

    void finish_and_compare(gate& copying) {
        sql().execute("CREATE TABLE public.expected AS TABLE public.t");
        copying.open();
        EXPECT_TRUE(exited(held_run->finish(), 0));
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.t"), std::vector<std::string>{});
    }

    void make_composite_table() {
        sql().execute(
            "CREATE TABLE public.t (tenant int, id int, note text, PRIMARY KEY (tenant, id)); INSERT INTO public.t "
            "SELECT tenant, i, 'note' FROM generate_series(1, 10) AS tenant, generate_series(1, 100) AS i");
    }

    void TearDown() override {
        held_run.reset();
        run_test::TearDown();
    }

    /// Writers on an int-key table and its twin while the id becomes bigint; nothing may differ afterwards.
    void change_under_writers(long long rows, int writers, bool repack) {
        const workload_shape shape = integer_key_shape(rows);
        sql().execute(shape.create);
        workload load(shape, workload_seed());
        for (int number = 0; number < writers; ++number) {
            load.add({.uri = db().uri()});
        }
        load.wait_for_more(50);
        const std::vector<std::string> change =
            repack ? std::vector<std::string>{"--repack"}
                   : std::vector<std::string>{"--alter", "ALTER COLUMN id TYPE bigint"};
        std::vector<std::string> arguments{"--chunk-rows", "200", "--max-rate", "20000", "--workers", "2"};
        arguments.insert(arguments.end(), change.begin(), change.end());
        EXPECT_TRUE(exited(run(arguments), 0));
        load.wait_for_more(50);
        EXPECT_EQ(load.stop().failures, std::vector<std::string>{});
        EXPECT_EQ(differing_rows(sql(), shape.twin, shape.table), std::vector<std::string>{});
    }

    std::unique_ptr<pgeist_process> held_run;
};

TEST_F(peers_case, uniform_updates_deletes_and_upserts) { change_under_writers(20000, 4, false); }

TEST_F(peers_case, three_hundred_hot_keys) { change_under_writers(200, 4, true); }

TEST_F(peers_case, no_plain_update_is_lost) {
    make_table(20000);
    sql().execute("UPDATE public.t SET code = 0");
    std::vector<std::jthread> writers;
    std::atomic<long long> added{0};
    std::atomic<int> failures{0};
    constexpr int count = 2;
    writers.reserve(count);
    for (int number = 0; number < count; ++number) {
        writers.emplace_back([&, number](const std::stop_token& stop) {
            try {
                random_engine random(static_cast<unsigned>(number));
                sync_connection connection = db().connect();
                while (!stop.stop_requested()) {
                    added += connection
                                 .query("UPDATE public.t SET code = code + 1 WHERE id = $1",
                                        {std::to_string(pick(random, 1, 20000))})
                                 .affected;
                }
            } catch (const std::exception&) {
                ++failures;
            }
        });
    }
    EXPECT_TRUE(exited(
        run({"--alter", "ALTER COLUMN id TYPE bigint", "--chunk-rows", "200", "--max-rate", "10000", "--workers", "2"}),
        0));
    writers.clear();
    EXPECT_EQ(failures, 0);
    EXPECT_GT(added, 100);
    EXPECT_EQ(sql().number("SELECT sum(code) FROM public.t"), added);
}

TEST_F(peers_case, update_to_null_while_copying) {
    make_table(1000);
    gate copying(db(), 1);
    start_held(copying, "id = 550");
    sql().execute(
        "UPDATE public.t SET note = NULL WHERE id IN (5, 549, 995); UPDATE public.t SET amount = NULL, code = NULL "
        "WHERE id IN (6, 548, 996)");
    finish_and_compare(copying);
    EXPECT_EQ(note_of(5), "NULL");
}

TEST_F(peers_case, delete_with_a_composite_key) {
    make_composite_table();
    gate copying(db(), 1);
    start_held(copying, "tenant = 5 AND id = 50");
    sql().execute("DELETE FROM public.t WHERE (tenant, id) IN ((1, 7), (5, 49), (9, 7))");
    finish_and_compare(copying);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 997);
}

TEST_F(peers_case, update_with_a_composite_key) {
    make_composite_table();
    gate copying(db(), 1);
    start_held(copying, "tenant = 5 AND id = 50");
    sql().execute(
        "UPDATE public.t SET note = 'new' WHERE (tenant, id) IN ((1, 7), (5, 49), (9, 7)); UPDATE public.t SET tenant "
        "= 11 WHERE tenant = 2 AND id = 3; UPDATE public.t SET id = -id WHERE tenant = 3");
    finish_and_compare(copying);
}

TEST_F(peers_case, change_of_the_key_value) {
    make_table(1000);
    gate copying(db(), 1);
    start_held(copying, "id = 550");
    sql().execute(
        "UPDATE public.t SET id = id + 100000 WHERE id IN (5, 549, 995); UPDATE public.t SET id = -id WHERE id IN (6, "
        "996)");
    finish_and_compare(copying);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE id IN (5, 6, 549, 995, 996)"), 0);
}

TEST_F(peers_case, inserts_of_a_transaction_that_is_open_at_the_start) {
    make_table(1000);
    sync_connection writer = db().connect();
    writer.execute(
        "BEGIN; INSERT INTO public.t (id, note) SELECT i, 'early' FROM generate_series(2001, 2150) AS i; UPDATE "
        "public.t SET note = 'early' WHERE id IN (1, 500, 1000); DELETE FROM public.t WHERE id = 501");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint"});
    running.wait_for_phase("capture");
    writer.execute("INSERT INTO public.t (id, note) VALUES (2151, 'late'); COMMIT");
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000 + 151 - 1);
    EXPECT_EQ(note_of(500), "early");
    EXPECT_EQ(note_of(501), "no row");
}

TEST_F(peers_case, thousands_of_rows_committed_while_the_swap_waits_for_its_lock) {
    make_table(10);
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint"});
    running.wait_for_event("lock_wait", [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    sql().execute(
        "BEGIN; INSERT INTO public.t (id, note) SELECT i, 'big' FROM generate_series(1001, 6000) AS i; COMMIT");
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 5010);
}

TEST_F(peers_case, the_writer_of_thousands_of_rows_is_itself_in_the_way) {
    make_table(10);
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint"});
    running.wait_for_event("lock_wait", [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    sync_connection writer = db().connect();
    writer.execute(
        "BEGIN; INSERT INTO public.t (id, note) SELECT i, 'big' FROM generate_series(1001, 6000) AS i; DELETE FROM "
        "public.t WHERE id = 1");
    reader.execute("COMMIT");
    writer.execute("UPDATE public.t SET note = 'last' WHERE id = 2; COMMIT");
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 5009);
    EXPECT_EQ(note_of(2), "last");
}

TEST_F(peers_case, writes_with_the_replica_role) {
    make_table(1000);
    gate copying(db(), 1);
    start_held(copying, "id = 550");
    sql().execute(
        "SET session_replication_role = replica; UPDATE public.t SET note = 'applied' WHERE id IN (5, 549, 995); "
        "INSERT INTO public.t (id, note) VALUES (-7, 'applied'); DELETE FROM public.t WHERE id = 6; UPDATE public.t "
        "SET id = 5000 WHERE id = 8; RESET session_replication_role");
    finish_and_compare(copying);
    EXPECT_EQ(note_of(5), "applied");
}

TEST_F(peers_case, a_deferrable_unique_key_swapped_in_one_transaction) {
    make_table(1000);
    sql().execute(
        "ALTER TABLE public.t DROP CONSTRAINT t_pkey, ADD CONSTRAINT t_pkey PRIMARY KEY (id) DEFERRABLE INITIALLY "
        "DEFERRED, ADD CONSTRAINT code_once UNIQUE (code) DEFERRABLE INITIALLY DEFERRED");
    gate copying(db(), 1);
    start_held(copying, "id = 550");
    sql().execute(
        "BEGIN; UPDATE public.t SET id = 1001 - id WHERE id IN (5, 996); UPDATE public.t SET code = 10010 - code WHERE "
        "code IN (100, 9910); COMMIT");
    sql().execute("UPDATE public.t SET id = 1001 - id WHERE id > 0");
    finish_and_compare(copying);
    EXPECT_EQ(note_of(1000), "note 1");
}

TEST_F(peers_case, an_unrelated_open_transaction_does_not_hold_it_up) {
    make_table(1000);
    sql().execute("CREATE TABLE public.other (n int)");
    sync_connection idle = db().connect();
    idle.execute("BEGIN; INSERT INTO public.other VALUES (1)");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint", "--swap-max-wait", "10s"}), 0));
    EXPECT_EQ(idle.sqlstate_of("INSERT INTO public.other VALUES (2); COMMIT"), "");
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(peers_case, an_unrelated_transaction_that_began_before_an_older_writer_does_not_hang_it) {
    make_table(1000);
    sql().execute("CREATE TABLE public.other (n int)");
    sync_connection idle = db().connect();
    idle.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.other");
    // An old snapshot could see the new table empty: the wait for it has an end, and says whom it waited for.
    const run_result result = run({"--alter", "ALTER COLUMN id TYPE bigint", "--swap-max-wait", "2s"});
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {std::to_string(idle.backend_pid())}));
    EXPECT_EQ(idle.number("SELECT count(*) FROM public.t"), 1000);
}

// Anybody may call his program what he likes.
TEST_F(peers_case, an_older_reader_is_waited_for_whatever_it_is_called) {
    make_table(1000);
    for (const char* name : {"pgeist_worker", "pgeist", "pgeist job 1"}) {
        sync_connection reader = db().connect();
        reader.execute("SET application_name = '" + std::string(name) +
                       "'; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class");
        const std::string role = db().create_role("runs" + std::to_string(reader.backend_pid()), "SUPERUSER");
        const run_result result =
            run_pgeist(db().uri_as(role), {"run", "--table", "t", "--repack", "--swap-max-wait", "1s"});
        EXPECT_TRUE(exited(result, 4)) << name;
        EXPECT_TRUE(says(result, {std::to_string(reader.backend_pid())})) << name;
        EXPECT_EQ(reader.number("SELECT count(*) FROM public.t"), 1000);
        reader.execute("COMMIT");
        EXPECT_TRUE(exited(run_pgeist(db().uri_as(role), {"cleanup", "--all"}), 0));
    }
}

TEST_F(peers_case, the_copy_of_another_job_is_not_waited_for) {
    make_table(1000);
    sql().execute(
        "CREATE TABLE public.other (id int PRIMARY KEY); INSERT INTO public.other SELECT generate_series(1, 9)");
    gate copying(db(), 1);
    copying.close();
    pgeist_process other(db().uri(), {"run", "--output", "json", "--table", "other", "--alter", "ADD COLUMN n int",
                                      "--set", "n = " + copying.expression("id = 5", "1")});
    copying.wait_until_reached();
    EXPECT_TRUE(exited(run({"--repack", "--swap-max-wait", "5s"}), 0));
    copying.open();
    EXPECT_TRUE(exited(other.finish(), 0));
}

TEST_F(peers_case, a_reader_at_the_swap_is_not_cancelled) {
    make_table(1000);
    sync_connection reader = db().connect();
    sql().execute("SELECT pg_advisory_lock(4711)");
    reader.send("SELECT count(*), pg_advisory_lock(4711) FROM public.t");
    wait_for("the reader at work", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE pid = $1 AND relation = 'public.t'::regclass",
                            {std::to_string(reader.backend_pid())}) > 0;
    });
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--ignore-old-snapshots"});
    running.wait_for_event("lock_wait", [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    sql().execute("SELECT pg_advisory_unlock(4711)");
    EXPECT_EQ(reader.finish().rows.at(0).at(0), "1000");
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(peers_case, after_kill_9_the_next_run_is_not_refused_for_ever) {
    make_table(1000);
    gate copying(db(), 1);
    start_held(copying, "id = 550");
    held_run->kill_hard();
    copying.open();
    wait_for_job_state(db().uri(), "interrupted");
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    expect_nothing_left();
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(peers_case, rows_seen_through_a_serial_and_an_identity_go_on_from_where_they_were) {
    sql().execute(
        "CREATE TABLE public.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, other serial, note text); INSERT INTO "
        "public.t (note) SELECT 'x' FROM generate_series(1, 100)");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    // An identity goes on behind a gap, which is for those that still draw from the old sequence.
    EXPECT_EQ(sql().scalar("INSERT INTO public.t (note) VALUES ('y') RETURNING (id > 1100) || ' ' || other"),
              "true 101");
}

}  // namespace
}  // namespace pgeist::test
