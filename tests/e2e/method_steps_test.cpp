// Changes without a copy, beside others who read, write and hold locks, with data that is slow, wrong or in the way.

#include <gtest/gtest.h>

#include <csignal>

#include <chrono>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "e2e/method_steps.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/prober.hpp"
#include "support/table_rows.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using strings = std::vector<std::string>;
using clock = std::chrono::steady_clock;
namespace json = boost::json;

constexpr long long most_wait = prober::lock_share;

TEST_F(method_steps, validate_while_others_read_and_write) {
    grow();
    gate slow(db(), 1);
    slow.close();
    prober application(db(), beside());
    const std::string check = "ADD CONSTRAINT checked CHECK (" + slow.expression("id = 250", "code") + " > 0)";
    pgeist_process running(db().uri(), [&] {
        strings arguments = in_place(check);
        arguments.insert(arguments.begin(), "run");
        return arguments;
    }());
    slow.wait_until_reached();
    EXPECT_EQ(constraints("conname = 'checked' AND NOT convalidated"), 1);
    EXPECT_EQ(state_of_step(0), "started");
    slow.open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_LT(application.stop(), most_wait);
    EXPECT_EQ(constraints("conname = 'checked' AND convalidated"), 1);
    EXPECT_EQ(state_of_step(0), "done");
}

TEST_F(method_steps, killed_in_a_validation_goes_on_there) {
    grow();
    gate slow(db(), 1);
    slow.close();
    const std::string check =
        "ADD CONSTRAINT checked CHECK (" + slow.expression("id = 250", "code") + " > 0), ADD COLUMN extra int";
    strings arguments = in_place(check);
    arguments.insert(arguments.begin(), "run");
    pgeist_process running(db().uri(), arguments);
    slow.wait_until_reached();
    running.kill_hard();
    const std::string oid = sql().scalar("SELECT oid FROM pg_constraint WHERE conname = 'checked'");
    slow.open();
    const json::object job = only_job(db().uri());
    EXPECT_EQ(text_of(job, "state"), "interrupted");
    EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
    EXPECT_EQ(sql().scalar("SELECT oid FROM pg_constraint WHERE conname = 'checked'"), oid) << "it was made again";
    EXPECT_EQ(constraints("convalidated AND contype = 'c'"), 1);
    EXPECT_EQ(type_of("extra"), "integer");
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
}

TEST_F(method_steps, cancelled_in_a_validation_take_back_what_they_made) {
    grow();
    gate slow(db(), 1);
    slow.close();
    strings arguments = in_place("ADD COLUMN extra int, ADD CONSTRAINT checked CHECK (" +
                                 slow.expression("id = 250", "code") + " > 0)");
    arguments.insert(arguments.begin(), "run");
    pgeist_process running(db().uri(), arguments);
    slow.wait_until_reached();
    EXPECT_TRUE(exited(command("cancel", {text_of(only_job(db().uri()), "job")}), 0));
    const run_result result = running.finish();
    slow.open();
    EXPECT_TRUE(exited(result, 6));
    EXPECT_EQ(constraints("conname = 'checked'"), 0);
    EXPECT_EQ(type_of("extra"), "integer") << "a step that was done";
    EXPECT_EQ(job_list(db().uri()).size(), 0U);
    expect_cleanup_leaves_nothing();
}

TEST_F(method_steps, a_wrong_estimate_costs_max_block_once) {
    make_slow_function(5);  // 500 rows: two and a half seconds, where the size says one millisecond
    prober application(db(), beside());
    const run_result result = change("ADD CONSTRAINT checked CHECK (public.slow(code) > 0)", {"--max-block", "400ms"});
    EXPECT_LT(application.stop(), 400 + most_wait);
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"longer than --max-block allows", "validate"}));
    EXPECT_EQ(constraints("conname = 'checked' AND convalidated"), 1);
}

// Each reads 500 rows by a function that takes two seconds for them.
TEST_F(method_steps, keep_nobody_waiting_whose_data_is_slow) {
    make_slow_function(0);
    sql().execute(
        "ALTER TABLE public.t ADD COLUMN word varchar(10) DEFAULT 'x', ADD CONSTRAINT of_word CHECK "
        "(public.slow(length(word)) > 0)");
    sql().execute("DROP FUNCTION IF EXISTS public.fast; ALTER FUNCTION public.slow RENAME TO fast");
    make_slow_function(4);
    sql().execute(
        "CREATE OR REPLACE FUNCTION public.fast(value int) RETURNS int LANGUAGE sql IMMUTABLE AS "
        "'SELECT public.slow(value)'");
    for (const char* alter :
         {"ALTER COLUMN word TYPE varchar(20)", "ADD COLUMN more int DEFAULT 1 CHECK (public.slow(code) > 0)",
          "DROP CONSTRAINT of_word, ADD CONSTRAINT of_word CHECK (public.slow(length(word)) > -1)"}) {
        prober application(db(), beside());
        const auto begin = clock::now();
        EXPECT_TRUE(exited(change(alter), 0)) << alter;
        EXPECT_GT(clock::now() - begin, std::chrono::seconds(2)) << alter << ": it was not slow";
        EXPECT_LT(application.stop(), most_wait) << alter;
    }
    EXPECT_EQ(constraints("NOT convalidated"), 0);
}

TEST_F(method_steps, a_wrong_estimate_of_a_rewrite_ends_in_a_copy) {
    make_slow_function(5);  // two and a half seconds, where the size says some milliseconds
    prober application(db(), beside());
    strings arguments{"--output",
                      "json",
                      "--table",
                      "t",
                      "--method",
                      "auto",
                      "--max-block",
                      "300ms",
                      "--drop-old",
                      "--alter",
                      "ALTER COLUMN code TYPE bigint USING public.slow(code)"};
    const run_result result = command("run", arguments);
    EXPECT_LT(application.stop(), 300 + most_wait);
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(type_of("code"), "bigint");
    EXPECT_EQ(result.events("swap").size(), 1U);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE code = id * 10"), 500);
    expect_cleanup_leaves_nothing();
}

TEST_F(method_steps, obey_a_max_block_that_is_set_meanwhile) {
    make_slow_function(2);  // a second altogether, where the size says one millisecond
    sql().execute("CREATE TABLE gate AS SELECT 1 AS closed");
    strings arguments = in_place("ADD CONSTRAINT checked CHECK (public.slow(code) > 0)",
                                 {"--max-block", "30s", "--throttle-query", "SELECT count(*) FROM gate"});
    arguments.insert(arguments.begin(), "run");
    pgeist_process running(db().uri(), arguments);
    wait_for_job_state(db().uri(), "throttled");
    EXPECT_TRUE(exited(command("set", {text_of(only_job(db().uri()), "job"), "max-block=200ms"}), 0));
    sql().execute("DELETE FROM gate");
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"longer than --max-block allows (200ms)", "validate"}));
    EXPECT_EQ(constraints("conname = 'checked' AND convalidated"), 1);
}

TEST_F(method_steps, of_native_only_are_refused_where_a_copy_would_be_next) {
    make_slow_function(2);
    const table_state before = state_of();
    const run_result result = change("ALTER COLUMN code TYPE bigint USING public.slow(code)", {"--max-block", "300ms"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"longer than --max-block allows"}));
    expect_unchanged(before);
    expect_cleanup_leaves_nothing();
}

TEST_F(method_steps, name_who_is_in_the_way_and_can_be_resumed) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT 1 FROM public.t LIMIT 1");
    const table_state before = state_of();
    const run_result result = change("ADD COLUMN extra int", {"--swap-attempts", "12", "--swap-max-wait", "3s"});
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {std::to_string(reader.backend_pid()), "resume"}));
    EXPECT_GE(result.events("lock_wait").size(), 1U);
    expect_unchanged(before);
    EXPECT_EQ(reader.sqlstate_of("SELECT count(*) FROM public.t"), "") << "the reader was disturbed";
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(type_of("extra"), "integer");
}

/// A table that is written anew is empty for a transaction that has an older snapshot and comes to it only then.
TEST_F(method_steps, that_write_a_table_anew_wait_for_old_snapshots) {
    sql().execute("CREATE TABLE public.other (n int)");
    sync_connection old = db().connect();
    old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.other");
    const run_result waited = change("ALTER COLUMN id TYPE bigint", {"--swap-max-wait", "1s"});
    EXPECT_TRUE(exited(waited, 4));
    EXPECT_TRUE(says(waited, {"public.t", std::to_string(old.backend_pid())}));
    EXPECT_EQ(old.number("SELECT count(*) FROM public.t"), 500);
    EXPECT_EQ(type_of("id"), "integer");
    // Now it looks at the table, and so holds a lock; the next one comes when those there were have been waited for.
    sync_connection between = db().connect();
    old.execute("COMMIT; BEGIN; INSERT INTO public.t (id) VALUES (501)");
    pgeist_process going(db().uri(), {"resume", "1", "--swap-max-wait", "5min", "--output", "json"});
    const auto is_told = [](sync_connection& who) {
        return [pid = who.backend_pid()](const json::object& event) {
            return text_of(event, "event") == "lock_wait" &&
                   json::serialize(event.at("blockers")).find(fmt::format("\"pid\":{},", pid)) != std::string::npos;
        };
    };
    going.wait_for_event("lock_wait", is_told(old));
    between.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM public.other");
    old.execute("COMMIT");
    going.wait_for_event("lock_wait for the new snapshot", is_told(between));
    EXPECT_EQ(between.number("SELECT count(*) FROM public.t"), 500) << "none of them lost, none of later";
    between.execute("COMMIT");
    EXPECT_TRUE(exited(going.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(method_steps, lock_the_other_table_too) {
    grow();
    sql().execute(
        "CREATE TABLE public.parent (id int PRIMARY KEY); INSERT INTO public.parent SELECT generate_series(1, 20000)");
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE public.parent SET id = id WHERE id = 1");
    prober application(db(), beside());
    const run_result result = change("ADD CONSTRAINT known FOREIGN KEY (id) REFERENCES public.parent",
                                     {"--swap-attempts", "12", "--swap-max-wait", "3s"});
    EXPECT_LT(application.stop(), most_wait) << "the first lock was held while the second was waited for";
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {std::to_string(writer.backend_pid())}));
    writer.execute("COMMIT");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(constraints("conname = 'known' AND convalidated"), 1);
}

TEST_F(method_steps, that_fail_take_back_what_they_made_and_earlier_ones_stay) {
    grow();
    sql().execute("UPDATE public.t SET code = -1 WHERE id = 77");
    const run_result result = change("ADD COLUMN extra int, ADD CONSTRAINT positive CHECK (code > 0)");
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"step 2", "positive"}));
    EXPECT_EQ(constraints("conname = 'positive'"), 0);
    EXPECT_EQ(type_of("extra"), "integer");
    EXPECT_EQ(state_of_step(0), "done");
    EXPECT_EQ(state_of_step(1), "failed");
    sql().execute("UPDATE public.t SET code = 1 WHERE id = 77");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(constraints("conname = 'positive' AND convalidated"), 1);
}

TEST_F(method_steps, of_a_missing_value_leave_no_helper) {
    grow();
    sql().execute("UPDATE public.t SET note = NULL WHERE id = 77");
    const run_result result = change("ALTER COLUMN note SET NOT NULL");
    EXPECT_TRUE(exited(result, 1));
    EXPECT_EQ(constraints("contype = 'c'"), 0);
    EXPECT_EQ(sql().number(
                  "SELECT count(*) FROM pg_constraint WHERE conrelid = 'public.t'::regclass AND conname LIKE '%note%'"),
              0);
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    expect_nothing_left();
}

TEST_F(method_steps, of_a_duplicate_name_it_and_leave_no_index) {
    grow();
    sql().execute("UPDATE public.t SET code = -5 WHERE id IN (7, 8)");
    const run_result result = change("ADD CONSTRAINT once UNIQUE (code)");
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"(-5)"}));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE relname = 'once'"), 0);
    sql().execute("UPDATE public.t SET code = -6 WHERE id = 8");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(constraints("conname = 'once' AND contype = 'u'"), 1);
}

TEST_F(method_steps, pause_between_them) {
    grow();
    gate slow(db(), 1);
    slow.close();
    strings arguments = in_place("ADD CONSTRAINT checked CHECK (" + slow.expression("id = 250", "code") +
                                 " > 0), SET (fillfactor = 80)");
    arguments.insert(arguments.begin(), "run");
    pgeist_process running(db().uri(), arguments);
    slow.wait_until_reached();
    const std::string job = text_of(only_job(db().uri()), "job");
    EXPECT_TRUE(exited(command("pause", {job}), 0));
    slow.open();
    wait_for("the validation", [&] { return constraints("conname = 'checked' AND convalidated") == 1; });
    wait_for_job_state(db().uri(), "paused");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE oid = 'public.t'::regclass AND reloptions IS NOT NULL"),
              0);
    EXPECT_TRUE(exited(command("continue", {job}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE oid = 'public.t'::regclass AND reloptions IS NOT NULL"),
              1);
}

// Between two steps everybody sees what the first one has left.
TEST_F(method_steps, a_constraint_goes_with_what_takes_its_place_or_after_it) {
    grow();
    sql().execute("ALTER TABLE public.t ADD CONSTRAINT positive CHECK (code > 0)");
    const auto plan = [&](const std::string& change) {
        const run_result made = command(
            "plan", {"--table", "t", "--method", "auto", "--max-block", "1ms", "--output", "json", "--alter", change});
        EXPECT_TRUE(exited(made, 0)) << change;
        strings steps;
        const json::object told = made.events().front();
        for (const json::value& each : told.at("steps").as_array()) {
            steps.push_back(text_of(each.as_object(), "method") + ": " + text_of(each.as_object(), "statement"));
        }
        return steps;
    };
    const strings key = plan("DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (code)");
    ASSERT_EQ(key.size(), 1U);
    EXPECT_EQ(key[0], "concurrently: ALTER TABLE public.t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (code)");
    for (const char* change : {"DROP CONSTRAINT positive, ADD CONSTRAINT positive CHECK (code > 1)",
                               "ADD CONSTRAINT positive CHECK (code > 1), DROP CONSTRAINT positive"}) {
        const strings same = plan(change);
        ASSERT_EQ(same.size(), 1U);
        EXPECT_EQ(same[0],
                  "validate: ALTER TABLE public.t DROP CONSTRAINT positive, ADD CONSTRAINT positive CHECK (code > 1)");
    }
    const strings column = plan("DROP COLUMN id, ADD PRIMARY KEY (code)");
    ASSERT_EQ(column.size(), 1U) << "the table would have no key until the new one is built";
    EXPECT_TRUE(column[0].starts_with("copy: ")) << column[0];
    const strings last = plan("DROP COLUMN note, ADD CONSTRAINT more CHECK (code > 1)");
    ASSERT_EQ(last.size(), 2U);
    EXPECT_TRUE(last[0].starts_with("validate: ")) << last[0];
    EXPECT_NE(last[1].find("DROP COLUMN note"), std::string::npos) << last[1];
    sql().execute("ALTER TABLE public.t ADD CONSTRAINT once UNIQUE (id, code)");
    const strings index = plan("DROP CONSTRAINT once, ADD CONSTRAINT once UNIQUE (code, id)");
    ASSERT_EQ(index.size(), 1U);
    EXPECT_TRUE(index[0].starts_with("concurrently: ")) << index[0];
    const strings renamed = plan("DROP CONSTRAINT t_pkey, ADD CONSTRAINT t_key PRIMARY KEY (code)");
    ASSERT_EQ(renamed.size(), 1U);
    EXPECT_TRUE(renamed[0].starts_with("copy: ")) << renamed[0];
    const strings other = plan("DROP CONSTRAINT positive, ADD CONSTRAINT more CHECK (code > 1)");
    ASSERT_EQ(other.size(), 2U);
    EXPECT_TRUE(other[0].starts_with("validate: ")) << other[0];
    EXPECT_NE(other[1].find("DROP CONSTRAINT positive"), std::string::npos) << other[1];
}

TEST_F(method_steps, a_foreign_key_is_replaced_under_its_name_and_stays_until_the_new_one_holds) {
    grow();
    sql().execute(
        "CREATE TABLE public.parent AS SELECT id FROM public.t; ALTER TABLE public.parent ADD PRIMARY KEY (id);"
        "ALTER TABLE public.t ADD CONSTRAINT of_parent FOREIGN KEY (id) REFERENCES public.parent;"
        "CREATE TABLE public.other AS SELECT id FROM public.t WHERE id <> 77; ALTER TABLE public.other ADD PRIMARY KEY "
        "(id)");
    const auto definition = [&] {
        return sql().scalar(
            "SELECT string_agg(conname || ': ' || pg_get_constraintdef(oid), ', ') FROM pg_constraint WHERE contype = "
            "'f' AND conrelid = 'public.t'::regclass");
    };
    const std::string before = definition();
    const long long file = sql().number("SELECT pg_relation_filenode('public.t')");
    const std::string alter =
        "DROP CONSTRAINT of_parent, ADD CONSTRAINT of_parent FOREIGN KEY (id) REFERENCES public.other ON DELETE "
        "CASCADE";
    EXPECT_TRUE(exited(change(alter), 1));
    EXPECT_EQ(definition(), before);
    sql().execute("INSERT INTO public.other VALUES (77)");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(definition(), "of_parent: FOREIGN KEY (id) REFERENCES other(id) ON DELETE CASCADE");
    EXPECT_EQ(sql().number("SELECT pg_relation_filenode('public.t')"), file);
}

TEST_F(method_steps, refuse_a_second_run_on_the_table) {
    grow();
    gate slow(db(), 1);
    slow.close();
    strings arguments = in_place("ADD CONSTRAINT checked CHECK (" + slow.expression("id = 250", "code") + " > 0)");
    arguments.insert(arguments.begin(), "run");
    pgeist_process running(db().uri(), arguments);
    slow.wait_until_reached();
    EXPECT_TRUE(exited(change("ADD COLUMN extra int"), 8));
    slow.open();
    EXPECT_TRUE(exited(running.finish(), 0));
}

TEST_F(method_steps, come_to_a_copy_without_having_failed) {
    make_slow_function(2);
    const run_result result = command(
        "run", {"--output", "json", "--table", "t", "--method", "auto", "--max-block", "300ms", "--drop-old", "--alter",
                "SET (fillfactor = 90)", "--alter", "ALTER COLUMN code TYPE bigint USING public.slow(code)"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(type_of("code"), "bigint");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.jobs"), 2) << "of the steps, and of the copy";
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.events WHERE event = 'failed'"), 0);
}

}  // namespace
}  // namespace pgeist::test
