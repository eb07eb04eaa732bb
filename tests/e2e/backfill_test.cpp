// Rows set, or deleted, where they are.

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include <algorithm>
#include <chrono>
#include <future>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/private_server.hpp"
#include "support/sync_connection.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class backfill : public run_test {
protected:
    /// public.t of make_table(), with a column to fill.
    void make_filled_table(int rows) {
        make_table(rows);
        sql().execute("ALTER TABLE t ADD COLUMN label text; ANALYZE t");
    }
    run_result fill(std::vector<std::string> more) {
        std::vector<std::string> arguments{"--table", "t", "--output", "json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return command("backfill", arguments);
    }
    pgeist_process start_fill(std::vector<std::string> more) {
        std::vector<std::string> arguments{"backfill", "--table", "t", "--output", "json"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return {db().uri(), arguments};
    }
    /// The only event of the second look.
    boost::json::object second_look(const run_result& result) {
        const auto all = result.events("verify");
        EXPECT_EQ(all.size(), 1U) << result.said();
        return all.empty() ? boost::json::object() : all.back();
    }
    long long wrong() { return sql().number("SELECT count(*) FROM t WHERE label IS DISTINCT FROM 'n' || id"); }
};

const std::vector<std::string> set_label{"--set", "label = 'n' || id"};

std::vector<std::string> with(std::vector<std::string> arguments, const std::vector<std::string>& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
}

TEST_F(backfill, sets_all_rows_in_chunks) {
    make_filled_table(900);
    const run_result result = fill(with(set_label, {"--chunk-rows", "70"}));
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(wrong(), 0);
    EXPECT_GE(sql().number("SELECT count(DISTINCT xmin::text) FROM t"), 13);
    const auto job = only_job(db().uri());
    EXPECT_EQ(text_of(job, "strategy"), "backfill");
    EXPECT_EQ(text_of(job, "state"), "done");
    EXPECT_EQ(number_of(second_look(result), "rows"), 900);
    EXPECT_EQ(number_of(second_look(result), "rows_after"), 0);
    EXPECT_TRUE(says(result, {"900 rows of public.t were set", "% of them by HOT updates"}));
    expect_cleanup_leaves_nothing();
}

TEST_F(backfill, writes_only_rows_that_differ) {
    make_filled_table(1000);
    sql().execute("UPDATE t SET label = 'n' || id WHERE id % 3 <> 0");
    sql().execute("CREATE TABLE before AS SELECT id, xmin::text AS x FROM t WHERE id % 3 <> 0");
    EXPECT_TRUE(exited(fill(set_label), 0));
    EXPECT_EQ(wrong(), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM t JOIN before b USING (id) WHERE t.xmin::text <> b.x"), 0);
}

TEST_F(backfill, writes_nothing_the_second_time) {
    make_filled_table(500);
    EXPECT_TRUE(exited(fill(set_label), 0));
    const std::string before = sql().scalar("SELECT md5(string_agg(xmin::text, ',' ORDER BY id)) FROM t");
    EXPECT_TRUE(exited(fill(set_label), 0));
    EXPECT_EQ(sql().scalar("SELECT md5(string_agg(xmin::text, ',' ORDER BY id)) FROM t"), before);
}

TEST_F(backfill, leaves_out_what_where_says) {
    make_filled_table(300);
    EXPECT_TRUE(exited(fill(with(set_label, {"--where", "id > 100 AND label IS NULL"})), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE label IS NULL"), 100);
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE label = 'n' || id"), 200);
}

TEST_F(backfill, deletes_in_chunks) {
    make_filled_table(1000);
    EXPECT_TRUE(exited(fill({"--delete", "--where", "id % 2 = 0", "--chunk-rows", "100"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t"), 500);
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE id % 2 = 0"), 0);
}

TEST_F(backfill, gives_all_rows_one_time) {
    make_filled_table(400);
    sql().execute("ALTER TABLE t ADD COLUMN at timestamptz");
    EXPECT_TRUE(exited(fill({"--set", "at = now()", "--chunk-rows", "100"}), 0));
    EXPECT_EQ(sql().number("SELECT count(DISTINCT at) FROM t"), 1);
    EXPECT_TRUE(exited(fill({"--set", "at = CASE WHEN id > 100 THEN now() END", "--chunk-rows", "100"}), 0));
    EXPECT_EQ(sql().number("SELECT count(DISTINCT at) FROM t"), 1);
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE at IS NULL"), 100);
}

TEST_F(backfill, compares_byte_by_byte) {
    make_filled_table(10);
    sql().execute("UPDATE t SET amount = 1.0; ALTER TABLE t ADD COLUMN source numeric DEFAULT 1.00");
    EXPECT_TRUE(exited(fill({"--set", "amount = source"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE amount::text = '1.00'"), 10);
}

TEST_F(backfill, refuses_what_cannot_be_repeated) {
    make_filled_table(10);
    sql().execute(
        "ALTER TABLE t ADD COLUMN twice int GENERATED ALWAYS AS (id * 2) STORED, ADD COLUMN doubled int GENERATED "
        "ALWAYS AS "
        "(code * 2) STORED");
    sql().execute(R"(
        CREATE FUNCTION best() RETURNS text STABLE LANGUAGE sql RETURN (SELECT max(label) FROM t WHERE id > 1);
        CREATE FUNCTION better(int) RETURNS text STABLE LANGUAGE sql RETURN best() || $1)");
    const auto before = state_of();
    const std::vector<std::pair<std::vector<std::string>, std::string>> cases{
        {{"--set", "label = random()::text"}, "another value each time"},
        {{"--set", "label = clock_timestamp()::text"}, "another value each time"},
        {{"--set", "label = label || 'x'"}, "reads column label"},
        {{"--set", "label = note", "--set", "note = id::text"}, "reads column note"},
        {{"--set", "code = doubled"}, "generated from code"},
        {{"--set", "code = (SELECT max(x.code) + 1 FROM t x)"}, "reads column code"},
        {{"--set", "code = (SELECT max(x.doubled) FROM t x WHERE x.id < 5)"}, "generated from code"},
        {{"--set", "code = (SELECT count(*) FROM t x WHERE x::text > '')"}, "reads column"},
        {{"--set", "label = better(id)"}, "function public.best() reads column label of other rows, which is set"},
        {{"--set", "label = 'a'", "--where", "id > (SELECT max(x.id) FROM t x WHERE x.label = 'a')"},
         "reads column label"},
        {{"--set", "label = 'a'", "--where", "best() IS NULL"}, "function public.best() reads column label"},
        {{"--set", "code = id", "--where", "EXISTS (SELECT FROM t x WHERE x.doubled = 4)"}, "generated from code"},
        {{"--set", "label = note || current_user"}, "depends on"},
        {{"--set", "absent = 1"}, "no column absent"},
        {{"--set", "twice = 1"}, "generated"},
        {{"--set", "label = 'a'", "--set", "label = 'b'"}, "twice"},
        {{"--set", "id = code"}, "no key to walk"},
        {{"--set", "code = note"}, "type"},
        {{"--set", "label = 'a'", "--where", "random() < 0.5"}, "another value each time"},
        {{"--set", "label = 'a'", "--where", "id +"}, "syntax"},
        {{"--set", "label = 'a'", "--key", "absent"}, "no index absent"},
    };
    for (const auto& [arguments, text] : cases) {
        const run_result result = fill(arguments);
        EXPECT_TRUE(exited(result, 3)) << text;
        EXPECT_TRUE(says(result, {text}));
    }
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(backfill, takes_what_looks_at_other_rows_but_not_at_what_is_set) {
    make_filled_table(10);
    sql().execute(R"(
        CREATE VIEW seen AS SELECT id AS key, note AS text, label AS other FROM t;
        CREATE FUNCTION label_of(key int) RETURNS text STABLE LANGUAGE plpgsql AS
            'BEGIN RETURN (SELECT ''n'' || t.id FROM t WHERE t.id = $1); END')");
    EXPECT_TRUE(exited(fill({"--set", "label = 'n' || id", "--where", "id IN (SELECT x.id + 1 FROM t x)"}), 0));
    EXPECT_EQ(wrong(), 1);
    const std::string from_view = "label = (SELECT 'n' || key FROM seen WHERE key = t.id)";
    const run_result seen = fill({"--set", from_view});
    EXPECT_TRUE(exited(seen, 0));
    EXPECT_TRUE(says(seen, {"view public.seen seems to read public.t"})) << "it has label";
    sql().execute("DROP VIEW seen; CREATE VIEW seen AS SELECT id AS key FROM t");
    EXPECT_FALSE(says(fill({"--set", from_view}), {"seems to read"}));
    const run_result called = fill({"--set", "code = length(label_of(id))"});
    EXPECT_TRUE(exited(called, 0));
    EXPECT_FALSE(says(called, {"seems to read"}));
    EXPECT_EQ(wrong(), 0);
    EXPECT_TRUE(
        says(command("plan", {"--table", "t", "--delete", "--where", "EXISTS (SELECT FROM t x WHERE x.id > t.id)"}),
             {"looks at other rows of public.t, of which earlier chunks will have deleted some"}));
}

TEST_F(backfill, says_that_a_function_may_depend_on_the_order_of_chunks) {
    make_filled_table(60);
    sql().execute(
        "CREATE FUNCTION so_far() RETURNS text STABLE LANGUAGE plpgsql AS "
        "'BEGIN RETURN (SELECT coalesce(md5(string_agg(label, '''' ORDER BY id)), ''none'') FROM public.t); END'");
    const run_result result = fill({"--set", "label = so_far() || note", "--chunk-rows", "20"});
    EXPECT_TRUE(exited(result, 5));
    EXPECT_TRUE(says(result, {"--set label = so_far() || note: function public.so_far() seems to read public.t",
                              "or for a function in the expression whose value depends on other rows"}));
}

// The application has A and wants B; the chunk has B and wants A, which a trigger of the user's touches. The chunk has
// waited longer, and its patience is shorter than the time after which the server looks for deadlocks: it gives way,
// and is tried again.
TEST_F(backfill, gives_way_before_the_application_meets_a_deadlock) {
    make_filled_table(40);
    sql().execute(R"(
        CREATE TABLE counted (id int PRIMARY KEY, n int); INSERT INTO counted VALUES (1, 0);
        CREATE FUNCTION counts() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN UPDATE public.counted SET n = n + 1; RETURN NEW; END$$;
        CREATE TRIGGER counts BEFORE UPDATE OF label ON t FOR EACH ROW EXECUTE FUNCTION counts())");
    sql().execute("ALTER DATABASE " + sql().identifier(db().name()) + " SET deadlock_timeout = '20s'");
    auto application = db().connect();
    application.execute("BEGIN; UPDATE counted SET n = 100");
    auto run = start_fill(with(set_label, {"--lock-timeout", "2s", "--workers", "1"}));
    const std::string waits = "SELECT count(*) FROM pg_stat_activity WHERE $1::int = ANY (pg_blocking_pids(pid))";
    const std::string pid = std::to_string(application.backend_pid());
    wait_for("the chunk to wait", [&] { return sql().number(waits, {pid}) == 1; });
    auto writing =
        std::async(std::launch::async, [&] { application.execute("UPDATE t SET note = 'mine' WHERE id = 1"); });
    wait_for("the circle", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_stat_activity a, unnest(pg_blocking_pids(a.pid)) AS by WHERE "
                   "a.pid = $1::int AND a.pid = ANY (pg_blocking_pids(by))",
                   {pid}) == 1;
    });
    writing.get();  // throws what the application's statement would
    application.execute("COMMIT");
    EXPECT_TRUE(exited(run.finish(), 0));
    EXPECT_EQ(wrong(), 0);
    EXPECT_EQ(sql().scalar("SELECT note FROM t WHERE id = 1"), "mine");
    EXPECT_EQ(sql().number("SELECT n FROM counted"), 140) << "the attempt that gave way left nothing";
}

TEST_F(backfill, waits_while_autovacuum_is_at_work) {
    const private_server server(server_major(sql()), "autovacuum_naptime=1s");
    sync_connection there(server.address().uri());
    there.execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, note text, label text)
            WITH (autovacuum_vacuum_threshold = 0, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_cost_delay = 100,
                  autovacuum_vacuum_cost_limit = 1);
        INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, 3000) AS i; DELETE FROM t WHERE id % 3 = 0)");
    const auto is_there = [&] {
        return there.number("SELECT count(*) FROM pg_stat_progress_vacuum WHERE relid = 't'::regclass") == 1;
    };
    wait_for("autovacuum", is_there);
    pgeist_process run(server.address().uri(),
                       {"backfill", "--table", "t", "--output", "json", "--set", "label = 'n' || id"});
    run.wait_for_event("the reason", [&](const boost::json::object& event) {
        return text_of(event, "event") == "progress" && event.at("throttled").is_string() &&
               text_of(event, "throttled") == "autovacuum is at work on public.t";
    });
    EXPECT_EQ(there.number("SELECT count(label) FROM t"), 0);
    there.execute("ALTER TABLE t SET (autovacuum_enabled = off)");  // ends the worker
    EXPECT_TRUE(exited(run.finish(), 0));
    EXPECT_EQ(there.number("SELECT count(*) FROM t WHERE label = 'n' || id"), 2000);
}

TEST_F(backfill, refuses_wrong_usage) {
    make_filled_table(1);
    EXPECT_TRUE(exited(fill({}), 2));
    EXPECT_TRUE(exited(fill({"--delete"}), 2));
    EXPECT_TRUE(exited(fill({"--delete", "--where", "true", "--set", "label = 'a'"}), 2));
    EXPECT_TRUE(exited(fill({"--set", "label"}), 2));
    expect_nothing_left();
}

TEST_F(backfill, names_the_row_that_fails_and_keeps_the_rest) {
    make_filled_table(400);
    sql().execute("UPDATE t SET note = id; UPDATE t SET note = 'none' WHERE id = 377");
    const run_result result = fill({"--set", "code = note::int + 1", "--chunk-rows", "100", "--workers", "1"});
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"id = 377", "none"}));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE id <= 300 AND code = id + 1"), 300);
    sql().execute("UPDATE t SET note = id WHERE id = 377");
    const std::string job = text_of(only_job(db().uri()), "job");
    EXPECT_TRUE(exited(command("resume", {job}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE code = id + 1"), 400);
}

TEST_F(backfill, names_rows_that_violate_a_constraint) {
    make_filled_table(200);
    sql().execute("ALTER TABLE t ADD CONSTRAINT small CHECK (label <> 'n150')");
    const run_result result = fill(set_label);
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"id = 150", "small"}));
    const run_result too_long = [&] {
        sql().execute("ALTER TABLE t DROP CONSTRAINT small, ADD COLUMN short varchar(3)");
        return fill({"--set", "short = 'n' || id"});
    }();
    EXPECT_TRUE(exited(too_long, 1));
    EXPECT_TRUE(says(too_long, {"the row with id = 1", "too long"}));
    sql().execute(
        "ALTER TABLE t ADD COLUMN late int, ADD CONSTRAINT late_key UNIQUE (late) DEFERRABLE INITIALLY DEFERRED");
    const run_result deferred =
        fill({"--set", "late = CASE id WHEN 150 THEN 7 ELSE id END", "--chunk-rows", "100", "--workers", "1"});
    EXPECT_TRUE(exited(deferred, 1));
    EXPECT_TRUE(says(deferred, {"id = 150", "late_key"}));
}

TEST_F(backfill, comes_back_to_locked_rows) {
    make_filled_table(1000);
    auto other = db().connect();
    other.execute("BEGIN; SELECT FROM t WHERE id IN (5, 500) FOR UPDATE");
    auto run = start_fill(with(set_label, {"--chunk-rows", "100"}));
    run.wait_for_phase("verify");
    wait_for("all others to be done", [&] { return wrong() == 2; });
    other.execute("UPDATE t SET amount = 7 WHERE id = 5; COMMIT");
    const run_result result = run.finish();
    EXPECT_TRUE(exited(result, 0));
    EXPECT_EQ(wrong(), 0);
    EXPECT_EQ(sql().number("SELECT amount FROM t WHERE id = 5"), 7);
}

TEST_F(backfill, names_rows_that_stay_locked) {
    make_filled_table(1000);
    auto other = db().connect();
    other.execute("BEGIN; SELECT FROM t WHERE id = 321 FOR UPDATE");
    const run_result result = fill(with(set_label, {"--swap-max-wait", "300ms"}));
    EXPECT_TRUE(exited(result, 4));
    EXPECT_TRUE(says(result, {"id = 321", std::to_string(other.backend_pid())}));
    EXPECT_EQ(wrong(), 1);
    other.execute("ROLLBACK");
    const auto job = only_job(db().uri());
    EXPECT_TRUE(is_true(job, "resumable"));
    EXPECT_TRUE(exited(command("resume", {text_of(job, "job")}), 0));
    EXPECT_EQ(wrong(), 0);
}

// Of each kind, by names without a schema.
TEST_F(backfill, fires_triggers_as_a_session_of_the_role_does) {
    make_filled_table(300);
    sql().execute("ALTER DATABASE " + db().name() + R"( SET search_path = app, public; CREATE SCHEMA app;
        CREATE TABLE app.audit (what text);
        CREATE FUNCTION app.notes() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN INSERT INTO audit VALUES (concat_ws(' ', TG_WHEN, TG_LEVEL, TG_OP)); RETURN NEW; END$$;
        CREATE TRIGGER one BEFORE UPDATE ON t EXECUTE FUNCTION app.notes();
        CREATE TRIGGER two BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION app.notes();
        CREATE TRIGGER three AFTER UPDATE ON t EXECUTE FUNCTION app.notes();
        CREATE CONSTRAINT TRIGGER four AFTER DELETE OR UPDATE ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE
            FUNCTION app.notes())");
    EXPECT_TRUE(exited(fill(with(set_label, {"--chunk-rows", "100"})), 0));
    EXPECT_EQ(wrong(), 0);
    EXPECT_EQ(
        sql().scalar("SELECT string_agg(what || ' ' || n, ', ' ORDER BY what) FROM (SELECT what, count(*) AS n FROM "
                     "app.audit WHERE what LIKE '%ROW%' GROUP BY what) AS a"),
        "AFTER ROW UPDATE 300, BEFORE ROW UPDATE 300");
    EXPECT_EQ(sql().number("SELECT count(*) FILTER (WHERE what LIKE 'BEFORE S%') - count(*) FILTER (WHERE what LIKE "
                           "'AFTER S%') FROM app.audit"),
              0);
    EXPECT_GE(sql().number("SELECT count(*) FROM app.audit WHERE what LIKE '%STATEMENT%'"), 6);
    EXPECT_TRUE(exited(fill({"--delete", "--where", "id <= 10"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM app.audit WHERE what = 'AFTER ROW DELETE'"), 10);
}

TEST_F(backfill, tells_what_a_trigger_undoes) {
    make_filled_table(300);
    sql().execute(R"(
        CREATE FUNCTION keeps() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN IF NEW.id % 25 = 0 THEN NEW.label := 'mine'; END IF; RETURN NEW; END$$;
        CREATE TRIGGER keeper BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION keeps())");
    const run_result result = fill(set_label);
    EXPECT_TRUE(exited(result, 5));
    EXPECT_TRUE(says(result, {"12 rows", "keeper"}));
    const std::string told = text_of(result.events("result").back(), "message");
    int keys = 0;
    for (auto at = told.find("id = "); at != std::string::npos; at = told.find("id = ", at + 1)) {
        EXPECT_EQ(std::stoi(told.substr(at + 5)) % 25, 0);
        ++keys;
    }
    EXPECT_EQ(keys, 10) << told;
    EXPECT_EQ(number_of(second_look(result), "differences"), 12);
    sql().execute("DROP TRIGGER keeper ON t");
    EXPECT_TRUE(exited(command("resume", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_EQ(wrong(), 0);
}

TEST_F(backfill, tells_what_a_trigger_keeps_from_being_written) {
    make_filled_table(100);
    sql().execute(R"(
        CREATE FUNCTION forbids() RETURNS trigger LANGUAGE plpgsql AS
            $$BEGIN IF NEW.id = 42 THEN RETURN NULL; END IF; RETURN NEW; END$$;
        CREATE TRIGGER forbidder BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION forbids())");
    const run_result result = fill(set_label);
    EXPECT_TRUE(exited(result, 5));
    EXPECT_TRUE(says(result, {"id = 42"}));
}

TEST_F(backfill, goes_on_after_a_kill) {
    make_filled_table(900);
    auto run = start_fill(with(set_label, {"--chunk-rows", "20", "--max-rate", "300"}));
    wait_for("some chunks", [&] { return wrong() < 850; });
    run.kill_hard();
    sql().execute("CREATE TABLE before AS SELECT id, xmin::text AS x FROM t WHERE label IS NOT NULL");
    const auto job = only_job(db().uri());
    EXPECT_EQ(text_of(job, "state"), "interrupted");
    EXPECT_TRUE(exited(command("resume", {text_of(job, "job"), "--max-rate", "off"}), 0));
    EXPECT_EQ(wrong(), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM t JOIN before b USING (id) WHERE t.xmin::text <> b.x"), 0);
}

TEST_F(backfill, obeys_who_steers) {
    make_filled_table(3000);
    auto run = start_fill(with(set_label, {"--chunk-rows", "50", "--max-rate", "300"}));
    wait_for("a chunk", [&] { return wrong() < 3000; });
    const std::string job = text_of(only_job(db().uri()), "job");
    EXPECT_TRUE(exited(command("pause", {job}), 0));
    wait_for_job_state(db().uri(), "paused");
    EXPECT_TRUE(exited(command("continue", {job}), 0));
    EXPECT_TRUE(exited(command("set", {job, "max-rate=off", "max-dead-rows=off"}), 0));
    EXPECT_TRUE(exited(run.finish(), 0));
    EXPECT_EQ(wrong(), 0);
}

TEST_F(backfill, is_cancelled) {
    make_filled_table(3000);
    auto run = start_fill(with(set_label, {"--chunk-rows", "50", "--max-rate", "300"}));
    wait_for("a chunk", [&] { return wrong() < 3000; });
    EXPECT_TRUE(exited(command("cancel", {text_of(only_job(db().uri()), "job")}), 0));
    const run_result result = run.finish();
    EXPECT_TRUE(exited(result, 6));
    EXPECT_TRUE(says(result, {"stay as they are"}));
    EXPECT_LT(wrong(), 3000);
}

TEST_F(backfill, vacuums_where_autovacuum_is_off) {
    make_filled_table(20000);
    sql().execute("ALTER TABLE t SET (autovacuum_enabled = off)");
    sql().execute("VACUUM ANALYZE t");
    const long long before = sql().number("SELECT vacuum_count FROM pg_stat_all_tables WHERE relid = 't'::regclass");
    const long long size = sql().number("SELECT pg_relation_size('t')");
    EXPECT_TRUE(exited(fill(with(set_label, {"--max-dead-rows", "10"})), 0));
    EXPECT_EQ(wrong(), 0);
    wait_for("VACUUMs to be counted", [&] {
        return sql().number("SELECT vacuum_count FROM pg_stat_all_tables WHERE relid = 't'::regclass") >= before + 4;
    });
    EXPECT_LT(sql().number("SELECT pg_relation_size('t')"), size * 3 / 2);
}

TEST_F(backfill, vacuums_a_small_table_at_once) {
    make_filled_table(5000);
    sql().execute("VACUUM ANALYZE t");
    const long long before = sql().number("SELECT vacuum_count FROM pg_stat_all_tables WHERE relid = 't'::regclass");
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_TRUE(exited(fill(set_label), 0));
    EXPECT_EQ(wrong(), 0);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(9)) << "for autovacuum it waits ten";
    wait_for("VACUUMs to be counted", [&] {
        return sql().number("SELECT vacuum_count FROM pg_stat_all_tables WHERE relid = 't'::regclass") >= before + 2;
    });
}

TEST_F(backfill, waits_while_dead_rows_cannot_go) {
    make_filled_table(5000);
    sql().execute("ALTER TABLE t SET (autovacuum_enabled = off)");
    sql().execute("VACUUM ANALYZE t");
    auto other = db().connect();
    other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM t");
    auto run = start_fill(set_label);
    wait_for_job_state(db().uri(), "throttled");
    wait_for("the reason", [&] {
        return text_of(only_job(db().uri()), "throttled").find("pid " + std::to_string(other.backend_pid())) !=
               std::string::npos;
    });
    EXPECT_GE(wrong(), 3700) << "a fifth of the rows may be dead";
    EXPECT_TRUE(exited(command("cancel", {text_of(only_job(db().uri()), "job")}), 0));
    EXPECT_TRUE(exited(run.finish(), 6));
    const run_result given_up = fill(with(set_label, {"--swap-max-wait", "1s"}));
    EXPECT_TRUE(exited(given_up, 4));
    EXPECT_TRUE(says(given_up, {"--swap-max-wait", "pid " + std::to_string(other.backend_pid()), "pgeist resume"}));
    EXPECT_GT(wrong(), 0);
    const std::string job = text_of(given_up.events("job").at(0), "job");
    EXPECT_TRUE(exited(command("resume", {job, "--max-dead-rows", "off"}), 0));
    EXPECT_EQ(wrong(), 0);
    const auto now = only_job(db().uri());
    EXPECT_EQ(number_of(now, "percent"), 100);
    EXPECT_EQ(number_of(now, "rows_done"), 5000);
    EXPECT_EQ(number_of(now, "rows_total"), 5000);
}

TEST_F(backfill, names_locked_rows_where_dead_rows_end_it) {
    make_filled_table(5000);
    sql().execute("ALTER TABLE t SET (autovacuum_enabled = off)");
    sql().execute("VACUUM ANALYZE t");
    auto other = db().connect();
    other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT FROM t WHERE id = 33 FOR UPDATE");
    const run_result given_up = fill(with(set_label, {"--swap-max-wait", "1s"}));
    EXPECT_TRUE(exited(given_up, 4));
    EXPECT_TRUE(says(given_up, {"VACUUM could not remove them", "id = 33", std::to_string(other.backend_pid())}));
}

// Twice chunk-time, and a third of a second for what a busy machine does besides; all rows in one transaction would
// take two and a half.
TEST_F(backfill, holds_rows_no_longer_than_chunk_time_says) {
    make_filled_table(3000);
    sql().execute(
        "CREATE FUNCTION slow(id int) RETURNS text LANGUAGE plpgsql IMMUTABLE AS "
        "$$BEGIN PERFORM pg_sleep(0.001) WHERE id % 4 = 0; RETURN 'n' || id; END$$");
    auto run = start_fill({"--set", "label = slow(id)", "--chunk-time", "300ms"});
    run.wait_for_phase("backfill");
    auto writer = db().connect();
    writer.execute("SET lock_timeout = '1s'");
    std::vector<long long> held;
    for (int id = 1; text_of(only_job(db().uri()), "state") != "done" && held.size() < 2000; id = id % 2900 + 7) {
        ASSERT_NO_THROW(writer.execute("UPDATE t SET id = id WHERE id = " + std::to_string(id))) << "a writer waits";
        held.push_back(
            sql().number("SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start) * 1000), "
                         "0)::bigint FROM pg_stat_activity WHERE application_name LIKE 'pgeist job%'"));
    }
    EXPECT_TRUE(exited(run.finish(), 0));
    EXPECT_EQ(wrong(), 0);
    ASSERT_GE(held.size(), 5U);
    std::sort(held.begin(), held.end());
    EXPECT_LT(held[held.size() * 3 / 4], 2 * 300 + 350) << "not the longest: a busy machine may stop anybody";
}

TEST_F(backfill, fills_partitions) {
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, label text) PARTITION BY RANGE (id);
        CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (400);
        CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (400) TO (2000);
        INSERT INTO t SELECT generate_series(1, 1000); ANALYZE t)");
    EXPECT_TRUE(exited(fill(with(set_label, {"--chunk-rows", "100"})), 0));
    EXPECT_EQ(wrong(), 0);
    EXPECT_TRUE(exited(fill({"--set", "id = 1"}), 3));
    sql().execute(R"(
        CREATE INDEX only_here ON t1 (label); CREATE INDEX everywhere ON t (lower(label));
        CREATE FUNCTION does_nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
        CREATE TRIGGER own BEFORE UPDATE ON t2 FOR EACH ROW EXECUTE FUNCTION does_nothing())");
    const auto plan = fill(with(set_label, {"--dry-run"})).events("plan").front();
    EXPECT_EQ(boost::json::serialize(plan.at("not_hot")), R"(["everywhere","only_here"])");
    EXPECT_EQ(boost::json::serialize(plan.at("triggers")), R"(["own"])");
}

TEST_F(backfill, uses_functions_of_the_users_search_path) {
    make_filled_table(50);
    sql().execute(R"(
        CREATE SCHEMA app;
        CREATE FUNCTION app.shown(anyelement, more text DEFAULT '') RETURNS text IMMUTABLE LANGUAGE sql AS $$SELECT 'n' || $1::text || more$$)");
    sql().execute("ALTER DATABASE " + sql().identifier(db().name()) + " SET search_path = public, app");
    EXPECT_TRUE(exited(fill({"--set", "label = shown(id)"}), 0));
    EXPECT_EQ(wrong(), 0);
    expect_cleanup_leaves_nothing();
}

TEST_F(backfill, looks_values_up_in_another_table) {
    make_filled_table(300);
    sql().execute("CREATE TABLE names AS SELECT id AS key, 'n' || id AS label FROM t WHERE id <= 200");
    EXPECT_TRUE(
        exited(fill({"--set", "label = (SELECT n.label FROM names n WHERE n.key = t.id)", "--chunk-rows", "50"}), 0));
    EXPECT_EQ(wrong(), 100);
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE label IS NULL"), 100);
    EXPECT_TRUE(exited(fill({"--delete", "--where", "id NOT IN (SELECT key FROM names)"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM t"), 200);
    EXPECT_TRUE(exited(fill({"--set", "label = (SELECT n.label || random() FROM names n WHERE n.key = id)"}), 3));
    EXPECT_TRUE(exited(fill({"--set", "label = (SELECT max(n.label) FROM names n WHERE n.label < t.label)"}), 3));
    expect_cleanup_leaves_nothing();
}

TEST_F(backfill, is_planned) {
    make_filled_table(1000);
    sql().execute(R"(
        CREATE INDEX t_label ON t (lower(label)); CREATE INDEX t_brin ON t USING brin (label);
        CREATE FUNCTION does_nothing() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN NEW; END$$;
        CREATE TRIGGER touched BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION does_nothing();
        CREATE TRIGGER not_this BEFORE UPDATE OF code ON t FOR EACH ROW EXECUTE FUNCTION does_nothing(); ANALYZE t)");
    const auto before = state_of();
    for (const char* name : {"plan", "backfill"}) {
        std::vector<std::string> arguments{"--table", "t", "--output", "json", "--set", "label = 'n' || id"};
        if (std::string(name) == "backfill") {
            arguments.emplace_back("--dry-run");
        }
        const run_result result = command(name, arguments);
        EXPECT_TRUE(exited(result, 0));
        const auto plans = result.events("plan");
        ASSERT_EQ(plans.size(), 1U) << result.said();
        const auto& plan = plans.front();
        EXPECT_EQ(plan.at("steps").as_array().at(0).at("method").as_string(), "backfill");
        EXPECT_EQ(plan.at("not_hot").as_array().size(), sql().server_major() >= 16 ? 1U : 2U);
        EXPECT_EQ(plan.at("triggers").as_array().size(), 1U);
        EXPECT_EQ(plan.at("recommended").as_string(), "copy");
    }
    const run_result words = command("plan", {"--table", "t", "--set", "label = 'n' || id"});
    EXPECT_TRUE(says(words, {"touched", "t_label", "--repack --set", "in place"}));
    const run_result deletion = command("plan", {"--table", "t", "--delete", "--where", "id < 10"});
    EXPECT_TRUE(exited(deletion, 0));
    EXPECT_TRUE(says(deletion, {"DELETE FROM t"}));
    // About a quarter of the rows is where a copy becomes the better one; rows that are not meant keep what they have.
    const std::vector<std::pair<std::string, std::string>> shares{{"id <= 200", "backfill"}, {"id <= 300", "copy"}};
    for (const auto& [where, recommended] : shares) {
        const run_result result =
            command("plan", {"--table", "t", "--output", "json", "--set", "amount = 1", "--where", where});
        ASSERT_TRUE(exited(result, 0));
        const auto plan = result.events("plan").front();
        EXPECT_EQ(plan.at("recommended").as_string(), recommended);
        EXPECT_EQ(plan.at("copy").at("command").as_string(),
                  recommended == "copy"
                      ? "pgeist run --table t --repack --set \"amount = CASE WHEN id <= 300 THEN 1 ELSE "
                        "amount END\""
                      : "");
    }
    expect_unchanged(before);
    expect_nothing_left();
}

}  // namespace
}  // namespace pgeist::test
