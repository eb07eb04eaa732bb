// pgeist rehearse: what it tells, and that nothing of it is left, however it ends.

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"
#include "support/json_lines.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

using words = std::vector<std::string>;

const std::string change = "ALTER COLUMN id TYPE bigint";

class rehearsed : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        make_table(500);
        sql().execute("CREATE INDEX t_code ON public.t (code); ANALYZE public.t");
        before_ = state_of();
        files_ = files();
    }

    run_result rehearse(words more) {
        words arguments{"--table", "t", "--output", "json", "--method", "copy", "--alter", change};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return command("rehearse", arguments);
    }

    /// The table, its files, and what was counted of writes to it.
    void expect_untouched() {
        expect_unchanged(before_);
        EXPECT_EQ(files(), files_);
        EXPECT_EQ(sql().number("SELECT greatest(n_tup_ins - 500, 0) + n_tup_upd + n_tup_del + n_dead_tup FROM "
                               "pg_stat_all_tables WHERE relid = 'public.t'::regclass"),
                  0);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist\\_%'"), 0);
    }

    static boost::json::object figures_of(const run_result& result) {
        const auto told = result.events("rehearsal");
        EXPECT_EQ(told.size(), 1U) << result.said();
        return told.empty() ? boost::json::object() : told.front();
    }

private:
    std::string files() {
        return sql().scalar(
            "SELECT string_agg(format('%s %s %s', relname, relfilenode, pg_relation_size(oid)), ', ' ORDER BY relname) "
            "FROM pg_class WHERE relname IN ('t', 't_pkey', 't_code') AND relnamespace = 'public'::regnamespace");
    }

    table_state before_;
    std::string files_;
};

TEST_F(rehearsed, a_copy_up_to_its_swap) {
    const run_result done = rehearse({"--locks", "none"});
    EXPECT_TRUE(exited(done, 0));
    const boost::json::object figures = figures_of(done);
    EXPECT_TRUE(figures.at("lock_ms").is_null());
    EXPECT_TRUE(figures.at("lock_free_percent").is_null());
    EXPECT_GT(figures.at("predicted_lock_ms").to_number<double>(), 0);
    EXPECT_EQ(number_of(figures, "rows"), 500);
    EXPECT_GT(number_of(figures, "elapsed_ms").value_or(0), 0);
    EXPECT_GT(number_of(figures, "wal_bytes").value_or(0), 0);
    EXPECT_GT(number_of(figures, "space_bytes").value_or(0), 0);
    words phases;
    for (const auto& each : figures.at("phases").as_array()) {
        phases.push_back(text_of(each.as_object(), "name"));
    }
    EXPECT_EQ(phases, (words{"capture", "copy", "key", "replay", "build", "verify", "rehearse", "take_back"}));
    EXPECT_TRUE(done.events("swap").empty());
    expect_untouched();
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
    EXPECT_TRUE(exited(run({"--alter", change, "--method", "copy"}), 0)) << "it has not counted as done";
    expect_cleanup_leaves_nothing();
}

TEST_F(rehearsed, the_lock_that_is_taken_and_given_back) {
    const run_result done = rehearse({"--locks", "take", "--drop-old"});
    EXPECT_TRUE(exited(done, 0));
    const boost::json::object figures = figures_of(done);
    EXPECT_GT(figures.at("lock_ms").to_number<double>(), 0);
    EXPECT_TRUE(figures.at("lock_free_percent").is_null());
    expect_untouched();
    expect_cleanup_leaves_nothing();
}

TEST_F(rehearsed, who_would_be_in_the_way) {
    sync_connection other(db().uri());
    other.execute("SET application_name = 'nightly'; BEGIN; LOCK TABLE public.t IN ROW SHARE MODE");
    pgeist_process running(db().uri(),
                           {"rehearse", "--table", "t", "--output", "json", "--method", "copy", "--alter", change});
    running.wait_for_phase("take_back");
    other.execute("ROLLBACK");  // taking the triggers off waits for it, too
    const run_result done = running.finish(std::chrono::seconds(60));
    EXPECT_TRUE(exited(done, 0));
    const boost::json::object figures = figures_of(done);
    ASSERT_FALSE(figures.at("blockers").as_array().empty());
    const boost::json::object holder = figures.at("blockers").as_array().front().as_object();
    EXPECT_EQ(text_of(holder, "application"), "nightly");
    EXPECT_EQ(figures.at("lock_free_percent").to_number<double>(), 0);
    EXPECT_GE(number_of(figures, "looks").value_or(0), 20);
    EXPECT_TRUE(figures.at("lock_ms").is_null());
    expect_untouched();
}

TEST_F(rehearsed, a_lock_that_is_not_to_be_had_leaves_nothing) {
    sync_connection other(db().uri());
    other.execute("BEGIN; LOCK TABLE public.t IN ROW SHARE MODE");
    pgeist_process running(db().uri(), {"rehearse", "--table", "t", "--output", "json", "--alter", change, "--locks",
                                        "take", "--method", "copy", "--swap-attempts", "3", "--lock-timeout", "10ms"});
    running.wait_for_event("a try", [](const auto& event) { return text_of(event, "event") == "lock_wait"; });
    other.execute("ROLLBACK");  // taking the triggers off waits for it, too
    const run_result ended = running.finish(std::chrono::seconds(60));
    EXPECT_TRUE(ended.exit_code == 4 || ended.exit_code == 0) << ended.said();
    expect_untouched();
    if (ended.exit_code != 0) {
        expect_nothing_left();
    }
}

TEST_F(rehearsed, conditions_decide_the_exit_code) {
    const run_result failed = rehearse({"--locks", "none", "--fail-if", "time > 1ms", "--fail-if", "space >= 1TB"});
    EXPECT_TRUE(exited(failed, 1));
    EXPECT_TRUE(says(failed, {"time ", "--fail-if", "time > 1ms"}));
    EXPECT_FALSE(failed.mentions("1TB")) << failed.said();
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
    expect_untouched();
    EXPECT_TRUE(exited(rehearse({"--fail-if", "luck > 1"}), 2));
    EXPECT_TRUE(exited(rehearse({"--locks", "some"}), 2));
}

TEST_F(rehearsed, figures_for_another_size_and_for_a_pull_request) {
    const std::filesystem::path folder = std::filesystem::temp_directory_path();
    const std::string plan = folder / (db().name() + ".json");
    const std::string comment = folder / (db().name() + ".md");
    const run_result planned =
        command("plan", {"--table", "t", "--method", "copy", "--alter", change, "--output", "json"});
    ASSERT_TRUE(exited(planned, 0));
    boost::json::object larger = planned.events().front();
    larger["estimated_rows"] = 50000;
    larger["table_bytes"] = *number_of(larger, "table_bytes") * 100;
    larger["index_bytes"] = *number_of(larger, "index_bytes") * 100;
    std::ofstream(plan) << boost::json::serialize(larger);
    const auto scaled_up = [&](const std::vector<std::string>& more) {
        std::vector<std::string> all{"--table", "t", "--alter", change, "--output", "json", "--locks", "none"};
        all.insert(all.end(), {"--scale-to", plan, "--markdown", comment});
        all.insert(all.end(), more.begin(), more.end());
        return command("rehearse", all);
    };
    EXPECT_TRUE(exited(scaled_up({"--method", "native"}), 2));
    const run_result done = scaled_up({});
    EXPECT_TRUE(exited(done, 0)) << "a copy, though this table is small";
    const boost::json::object figures = figures_of(done);
    const boost::json::object scaled = figures.at("scaled").as_object();
    EXPECT_EQ(number_of(scaled, "space_bytes").value_or(0) / number_of(figures, "space_bytes").value_or(1), 100);
    EXPECT_GT(number_of(scaled, "elapsed_ms").value_or(0), number_of(figures, "elapsed_ms").value_or(0));
    std::ostringstream text;
    text << std::ifstream(comment).rdbuf();
    EXPECT_NE(text.str().find("| scaled |"), std::string::npos) << text.str();
    std::filesystem::remove(plan);
    std::filesystem::remove(comment);
}

TEST_F(rehearsed, what_takes_no_copy_is_told_and_not_run) {
    const run_result done =
        command("rehearse", {"--table", "t", "--output", "json", "--alter", "ADD COLUMN extra int"});
    EXPECT_TRUE(exited(done, 0));
    EXPECT_EQ(text_of(figures_of(done), "method"), "native");
    expect_untouched();
    expect_nothing_left();
}

TEST_F(rehearsed, a_file_is_told_by_its_plan_or_rehearsed_as_its_only_copy) {
    const std::string file = std::filesystem::temp_directory_path() / (db().name() + ".sql");
    std::ofstream(file) << "ALTER TABLE t ADD COLUMN extra int;\nCOMMENT ON TABLE t IS 'x';\n";
    const run_result told = command("rehearse", {"--file", file, "--output", "json"});
    EXPECT_TRUE(exited(told, 0));
    EXPECT_EQ(text_of(figures_of(told), "method"), "native");
    expect_untouched();
    expect_nothing_left();
    std::ofstream(file) << "ALTER TABLE t ALTER COLUMN id TYPE bigint;\n";
    const run_result copied = command("rehearse", {"--file", file, "--output", "json", "--method", "copy"});
    EXPECT_TRUE(exited(copied, 0));
    EXPECT_EQ(number_of(figures_of(copied), "rows"), 500);
    expect_untouched();
    std::ofstream(file) << "COMMENT ON TABLE t IS 'x';\nALTER TABLE t ALTER COLUMN id TYPE bigint;\n";
    const run_result both =
        command("rehearse", {"--file", file, "--output", "json", "--method", "copy", "--fail-if", "space > 1B"});
    EXPECT_TRUE(exited(both, 1));
    EXPECT_TRUE(says(both, {"public.t: space"}));
    ASSERT_EQ(both.events("rehearsal").size(), 2U) << both.said();
    EXPECT_EQ(text_of(both.events("rehearsal")[0], "method"), "native");
    EXPECT_EQ(number_of(both.events("rehearsal")[1], "rows"), 500);
    expect_untouched();
    std::ofstream(file) << "SET search_path TO public;\nALTER TABLE t ALTER COLUMN id TYPE bigint;\n";
    EXPECT_TRUE(exited(command("rehearse", {"--file", file, "--method", "copy"}), 3));
    std::filesystem::remove(file);
}

TEST_F(rehearsed, one_that_is_killed_is_removed_by_cleanup) {
    gate at_row(db(), 1);
    at_row.close();
    pgeist_process running(db().uri(), {"rehearse", "--table", "t", "--output", "json", "--repack", "--set",
                                        "note = " + at_row.expression("id = 300", "note")});
    at_row.wait_until_reached();
    running.kill_hard();
    at_row.open();
    wait_for_end_of_sessions();
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "interrupted");
    expect_cleanup_leaves_nothing();
    expect_untouched();
}

TEST_F(rehearsed, one_that_fails_takes_back_what_it_made) {
    const run_result failed = command("rehearse", {"--table", "t", "--output", "json", "--repack", "--set",
                                                   "code = 1 / (code - 3000)", "--chunk-rows", "100"});
    EXPECT_TRUE(exited(failed, 1));
    expect_untouched();
    expect_nothing_left();
}

class rehearsed_beside : public rehearsed {};

TEST_F(rehearsed_beside, writers_that_notice_nothing) {
    sql().execute("DROP TABLE public.t");
    const workload_shape shape = integer_key_shape(3000);
    sql().execute(shape.create);
    workload load(shape, workload_seed());
    load.add({.uri = db().uri(), .isolation = "READ COMMITTED"});
    load.add({.uri = db().uri(), .isolation = "REPEATABLE READ"});
    load.wait_for_more(50);
    const run_result done = rehearse({"--locks", "take", "--chunk-rows", "300"});
    EXPECT_TRUE(exited(done, 0));
    load.wait_for_more(50);
    const workload_report report = load.stop();
    EXPECT_EQ(report.failures, words{});
    EXPECT_EQ(type_of("id"), "integer");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 'public.t'::regclass AND NOT tgisinternal "
                           "AND tgname LIKE 'pgeist%'"),
              0);
    expect_cleanup_leaves_nothing();
}

TEST_F(rehearsed_beside, the_servers_counters_show_the_load_alone) {
    std::atomic<bool> stop = false;
    std::atomic<std::int64_t> updates = 0;
    std::thread load([&] {
        sync_connection one = db().connect();  // its end sends what was counted
        while (!stop) {
            one.execute("UPDATE public.t SET code = code WHERE id = 7");
            ++updates;
        }
    });
    const run_result done = rehearse({"--locks", "take", "--chunk-rows", "100"});
    stop = true;
    load.join();
    EXPECT_TRUE(exited(done, 0));
    EXPECT_GT(updates, 0);
    const auto counted = [&](const std::string& what) {
        return sql().number("SELECT " + what + " FROM pg_stat_all_tables WHERE relid = 'public.t'::regclass");
    };
    wait_for("the server's counters", [&] { return counted("n_tup_upd") >= updates && counted("n_tup_ins") >= 500; });
    EXPECT_EQ(counted("n_tup_upd"), updates);
    EXPECT_EQ(counted("n_tup_ins + n_tup_del"), 500);
    EXPECT_LE(counted("n_dead_tup"), updates) << "of the load alone; some are gone again";
    expect_cleanup_leaves_nothing();
}

struct kill_point {
    const char* name;
    ambush where;  ///< the message at which the program is killed
    bool leaves_a_job;
};

void PrintTo(const kill_point& value, std::ostream* out) { *out << value.name; }

class rehearsal_killed : public rehearsed, public ::testing::WithParamInterface<kill_point> {};

TEST_P(rehearsal_killed, is_taken_back_by_cleanup) {
    tcp_proxy proxy(db().address());
    proxy.lay(GetParam().where);
    {
        pgeist_process running(proxy.through(db().address()).uri(),
                               {"rehearse", "--table", "t", "--method", "copy", "--alter", change, "--output", "json",
                                "--locks", "take", "--chunk-rows", "100"});
        proxy.wait_for_ambush();
        running.kill_hard();
    }
    proxy.drop_all();  // as the kernel of a dead host's peer would, in a while
    wait_for_end_of_sessions();
    EXPECT_EQ(type_of("id"), "integer");
    if (GetParam().leaves_a_job) {
        EXPECT_EQ(text_of(only_job(db().uri()), "state"), "interrupted");
    }
    expect_cleanup_leaves_nothing();
    expect_untouched();
}

INSTANTIATE_TEST_SUITE_P(
    at, rehearsal_killed,
    ::testing::Values(kill_point{"prepare", {"SET blueprint", "COMMIT", fate::held}, false},
                      kill_point{"capture_under_its_lock", {"", "CREATE TRIGGER", fate::held}, true},
                      kill_point{"capture_done", {"CREATE TRIGGER", "COMMIT", fate::answer_lost}, true},
                      kill_point{"key", {"'maintenance_work_mem'", "COMMIT", fate::held}, true},
                      kill_point{"verify", {"", "rows, shadow_rows, checksum", fate::held}, true},
                      kill_point{"swap_under_its_lock", {"", "swap_xid = pg_current_xact_id()", fate::held}, true},
                      kill_point{
                          "swap_taken_back", {"swap_xid = pg_current_xact_id()", "ROLLBACK", fate::answer_lost}, true},
                      kill_point{"take_back", {"tgname ~ $2", "COMMIT", fate::held}, true}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace pgeist::test
