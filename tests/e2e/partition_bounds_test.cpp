// A partition while it is copied: writes through the parent, rows that come and go, siblings that come and go, and a
// run that is killed.

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/table_description.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// public.p in ranges: t has ids 1 … 9999, high the ones from there, low (the DEFAULT) all others. The copy of t, in
/// chunks of 100, stands at row 550.
class partition_in_use : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        sql().execute(R"(
            SET search_path = public;
            CREATE TABLE p (id int PRIMARY KEY, note text, amount numeric, code int) PARTITION BY RANGE (id);
            CREATE TABLE t PARTITION OF p FOR VALUES FROM (1) TO (10000);
            CREATE TABLE high PARTITION OF p FOR VALUES FROM (10000) TO (1000000);
            CREATE TABLE low PARTITION OF p DEFAULT;
            CREATE INDEX p_code ON p (code);
            INSERT INTO p SELECT i, 'note ' || i, i / 4.0, i * 10 FROM generate_series(-1000, 1000) i;
            INSERT INTO p SELECT i, 'note ' || i, i / 4.0, i * 10 FROM generate_series(20000, 21000) i; ANALYZE)");
        copying_ = std::make_unique<gate>(db(), 1);
    }

    void TearDown() override {
        running_.reset();
        copying_.reset();
        run_test::TearDown();
    }

    void start_and_stop_in_the_copy(const std::string& table = "t", int row = 550) {
        copying_->close();
        running_ = std::make_unique<pgeist_process>(
            db().uri(),
            std::vector<std::string>{"run", "--output", "json", "--table", table, "--alter", "SET (fillfactor = 90)",
                                     "--set", "note = " + copying_->expression("id = " + std::to_string(row), "note"),
                                     "--chunk-rows", "100", "--workers", "1"});
        copying_->wait_until_reached();
    }

    void go_on_and_compare() {
        sql().execute("CREATE TABLE public.expected AS TABLE public.p");
        copying_->open();
        EXPECT_TRUE(exited(running_->finish(), 0));
        EXPECT_EQ(differing_rows(sql(), "public.expected", "public.p"), std::vector<std::string>{});
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_inherits WHERE inhparent = 'public.p'::regclass"), 3);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'pgeist%'"), 0);
        expect_cleanup_leaves_nothing();
    }

    /// Runs statements that must wait for the chunk at work, which holds the table, and lets the copy go on.
    void in_the_queue(const std::string& statements) {
        sync_connection waiting = db().connect();
        waiting.send(statements);
        wait_for("the statement in the queue", [&] {
            return sql().number("SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted",
                                {std::to_string(waiting.backend_pid())}) > 0;
        });
        copying_->open();
        waiting.finish();
    }

    gate& copying() { return *copying_; }
    pgeist_process& running() { return *running_; }

private:
    std::unique_ptr<gate> copying_;
    std::unique_ptr<pgeist_process> running_;
};

TEST_F(partition_in_use, writes_of_every_kind_through_the_parent) {
    start_and_stop_in_the_copy();
    sql().execute(R"(
        UPDATE public.p SET note = 'updated' WHERE id IN (10, 550, 551, 990);
        DELETE FROM public.p WHERE id IN (20, 552, 991);
        INSERT INTO public.p VALUES (3000, 'inserted', 1, 1), (-3000, 'inserted', 1, 1);
        INSERT INTO public.p VALUES (30, 'conflict'), (992, 'conflict'), (3001, 'conflict')
            ON CONFLICT (id) DO UPDATE SET note = 'conflict';
        INSERT INTO public.p VALUES (31, 'never') ON CONFLICT DO NOTHING;
        COPY public.p (id, note) FROM PROGRAM 'echo 3002,copied; echo 3003,copied' WITH (FORMAT csv);
        UPDATE public.t SET id = 4000 WHERE id = 40; UPDATE public.p SET id = 4001 WHERE id = 993;
        BEGIN; SET LOCAL session_replication_role = replica; UPDATE public.p SET note = 'replica' WHERE id IN (50, 994);
        DELETE FROM public.p WHERE id IN (51, 995); COMMIT)");
    if (sql().server_major() >= 15) {
        sql().execute(R"(MERGE INTO public.p USING (VALUES (60), (996), (3004)) AS v (id) ON p.id = v.id
            WHEN MATCHED THEN UPDATE SET note = 'merged' WHEN NOT MATCHED THEN INSERT (id, note) VALUES (v.id, 'merged'))");
    }
    go_on_and_compare();
}

TEST_F(partition_in_use, rows_that_move_to_and_from_siblings) {
    start_and_stop_in_the_copy();
    sql().execute(R"(
        UPDATE public.p SET id = id + 15000 WHERE id IN (10, 550, 551, 990);
        UPDATE public.p SET id = -id - 5000 WHERE id IN (20, 560, 991);
        UPDATE public.p SET id = id - 15000 WHERE id IN (20500, 20990);
        UPDATE public.p SET id = id + 6000 WHERE id IN (-100, -999);
        BEGIN; UPDATE public.p SET id = 50000 WHERE id = 70; UPDATE public.p SET id = 70, note = 'back' WHERE id = 50000; COMMIT;
        BEGIN; UPDATE public.p SET id = 50001 WHERE id = 980; UPDATE public.p SET id = 980, note = 'back' WHERE id = 50001; COMMIT)");
    go_on_and_compare();
}

TEST_F(partition_in_use, truncation_of_the_parent) {
    start_and_stop_in_the_copy();
    sync_connection truncating = db().connect();
    truncating.send(
        "TRUNCATE public.p; INSERT INTO public.p (id, note) SELECT i, 'new ' || i FROM generate_series(-300, 900) AS "
        "i");
    wait_for("the TRUNCATE in the queue", [&] {
        return sql().number("SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted",
                            {std::to_string(truncating.backend_pid())}) > 0;
    });
    copying().open();  // the chunk at work holds the table
    truncating.finish();
    sql().execute("CREATE TABLE public.expected AS TABLE public.p");
    EXPECT_TRUE(exited(running().finish(), 0));
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.p"), std::vector<std::string>{});
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 900);
}

// Whoever waits at the parent while the partitions change places must meet the new one.
TEST_F(partition_in_use, increments_through_the_parent_and_the_partition_are_never_lost) {
    std::atomic<bool> stop = false;
    std::atomic<long long> made = 0;
    std::vector<std::string> errors(4);
    std::vector<std::thread> writers;
    for (int number = 0; number < 4; ++number) {
        writers.emplace_back([&, number] {
            try {
                sync_connection connection = db().connect();
                connection.prepare("through_the_parent", "UPDATE public.p SET code = code + 1 WHERE id = $1::int");
                connection.prepare("directly", "UPDATE public.t SET code = code + 1 WHERE id = $1::int");
                while (!stop) {
                    connection.query_prepared(made % 2 == 0 ? "through_the_parent" : "directly",
                                              {std::to_string(100 * (number + 1))});
                    ++made;
                }
            } catch (const std::exception& failure) {
                errors[number] = failure.what();
            }
        });
    }
    for (int round = 0; round < 3; ++round) {
        EXPECT_TRUE(exited(run({"--repack", "--drop-old"}), 0));
    }
    stop = true;
    for (auto& writer : writers) {
        writer.join();
    }
    EXPECT_EQ(errors, std::vector<std::string>(4));
    EXPECT_GT(made, 100);
    EXPECT_EQ(sql().number("SELECT sum(code) FROM public.t"), 10 * 1000 * 1001 / 2 + made);
}

TEST_F(partition_in_use, a_default_partition_that_comes_meanwhile_fails_the_run) {
    sql().execute("ALTER TABLE public.p DETACH PARTITION public.low");
    start_and_stop_in_the_copy();
    sql().execute("ALTER TABLE public.p ATTACH PARTITION public.low DEFAULT");
    const std::string digest = table_digest(sql(), "public.p");
    copying().open();
    const run_result result = running().finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"changed by someone else"}));
    EXPECT_EQ(table_digest(sql(), "public.p"), digest);
    expect_cleanup_leaves_nothing();
}

TEST_F(partition_in_use, a_default_partition_whose_sibling_leaves_fails_the_run) {
    start_and_stop_in_the_copy("low", -500);
    in_the_queue("ALTER TABLE public.p DETACH PARTITION public.high; INSERT INTO public.p VALUES (30000, 'beyond')");
    const run_result result = running().finish();
    const std::string digest = table_digest(sql(), "public.p");
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"changed by someone else"}));
    EXPECT_EQ(table_digest(sql(), "public.p"), digest);
    expect_cleanup_leaves_nothing();
}

TEST_F(partition_in_use, a_default_partition_whose_sibling_comes_fails_the_run) {
    start_and_stop_in_the_copy("low", -500);
    const table_state before = state_of("low");
    in_the_queue("CREATE TABLE public.lower PARTITION OF public.p FOR VALUES FROM (-100000) TO (-50000)");
    const run_result result = running().finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"changed by someone else"}));
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(state_of("low").identity, before.identity);
}

TEST_F(partition_in_use, siblings_of_others_may_come_and_go) {
    start_and_stop_in_the_copy();
    sql().execute(
        "ALTER TABLE public.p DETACH PARTITION public.high; CREATE TABLE public.higher PARTITION OF public.p FOR "
        "VALUES "
        "FROM (5000000) TO (6000000); ALTER TABLE public.p ATTACH PARTITION public.high FOR VALUES FROM (10000) TO "
        "(1000000); DROP TABLE public.higher");
    go_on_and_compare();
}

TEST_F(partition_in_use, killed_in_the_copy_is_resumed) {
    start_and_stop_in_the_copy();
    running().kill_hard();
    copying().open();
    sql().execute("UPDATE public.p SET note = 'between' WHERE id IN (10, 990); DELETE FROM public.p WHERE id = 20");
    sql().execute("CREATE TABLE public.expected AS TABLE public.p");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(differing_rows(sql(), "public.expected", "public.p"), std::vector<std::string>{});
    expect_cleanup_leaves_nothing();
}

TEST_F(partition_in_use, given_up_at_the_swap_leaves_nothing_on_the_siblings) {
    const table_state before = state_of();
    const table_state low = state_of("low");
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    EXPECT_TRUE(exited(run({"--repack", "--swap-max-wait", "2s", "--swap-attempts", "3"}), 4));
    expect_unchanged(low, "low");
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_NE(state_of().identity, before.identity);
    expect_unchanged(low, "low");
    expect_cleanup_leaves_nothing();
}

// Just before the swap the default partition has a constraint of the run's.
TEST_F(partition_in_use, killed_at_the_swap_is_cleaned_up_or_resumed) {
    const table_state before = state_of();
    const table_state parent = state_of("p");
    const table_state low = state_of("low");
    for (const bool resumes : {false, true}) {
        sync_connection reader = db().connect();
        reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
        pgeist_process process = start({"--repack"});
        process.wait_for_event("lock_wait", [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
        process.kill_hard();
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'pgeist%bound' AND conrelid = "
                               "'public.low'::regclass"),
                  1);
        reader.execute("COMMIT");
        if (resumes) {
            EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
        }
        expect_cleanup_leaves_nothing();
        expect_unchanged(parent, "p");
        expect_unchanged(low, "low");
        EXPECT_EQ(state_of().identity == before.identity, !resumes);
        EXPECT_EQ(description_difference(before.description, state_of().description), std::vector<std::string>{});
    }
}

// The constraint on the default partition is taken off again when the user wants to wait; a signal that comes then must
// not be lost on the way.
TEST_F(partition_in_use, a_signal_while_the_siblings_are_released_ends_the_run) {
    gate altering(db(), 2);
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    pgeist_process process = start({"--repack"});
    process.wait_for_event("lock_wait", [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    altering.close();
    sql().execute("CREATE FUNCTION public.before_alter() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM " +
                  altering.expression("true", "1") +
                  "; END $$; CREATE EVENT TRIGGER before_alter ON ddl_command_start WHEN TAG IN ('ALTER TABLE') "
                  "EXECUTE FUNCTION public.before_alter()");
    EXPECT_TRUE(exited(command("pause", {text_of(only_job(db().uri()), "job")}), 0));
    altering.wait_until_reached();  // the swap's own ALTER TABLE does not come so far: the reader has the table
    process.signal(SIGTERM);
    process.wait_for_event(
        "the signal", [](const auto& event) { return text_of(event, "text").find("stopping") != std::string::npos; });
    altering.open();
    EXPECT_TRUE(exited(process.finish(std::chrono::seconds(30)), 6));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conname LIKE 'pgeist%' AND conrelid = "
                           "'public.low'::regclass"),
              0);
    sql().execute("DROP EVENT TRIGGER before_alter");
    reader.execute("COMMIT");
    expect_cleanup_leaves_nothing();
}

TEST_F(partition_in_use, a_session_that_holds_the_parent_is_named_and_not_waited_behind) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN; LOCK TABLE ONLY public.p IN ACCESS SHARE MODE");
    const run_result result = run({"--repack", "--swap-max-wait", "2s", "--swap-attempts", "3"});
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {std::to_string(reader.backend_pid())}));
    reader.execute("COMMIT");
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
