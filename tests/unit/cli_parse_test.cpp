#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "cli/invocation.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::cli {
namespace {

using words = std::vector<std::string>;

class parsing : public ::testing::Test {
protected:
    invocation parsed(const words& arguments) {
        return parse(arguments, [this](const std::string& name) {
            const auto found = variables.find(name);
            return found == variables.end() ? std::nullopt : std::optional(found->second);
        });
    }

    /// `run --table t --repack` and more.
    invocation run_with(words more) {
        words arguments{"run", "--table", "t", "--repack"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return parsed(arguments);
    }

    /// Message and hint of the usage error.
    std::string complaint(const words& arguments) {
        try {
            parsed(arguments);
        } catch (const usage_error& problem) {
            EXPECT_EQ(problem.code(), exit_code::usage);
            return std::string(problem.what()) + " / " + problem.hint();
        }
        ADD_FAILURE() << "accepted: " << ::testing::PrintToString(arguments);
        return {};
    }

    static std::string file_with(const std::string& text) {
        const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
        const std::string name = ::testing::TempDir() + "pgeist_" + test->name() + ".txt";
        std::ofstream(name) << text;
        return name;
    }

    std::map<std::string, std::string> variables;
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

TEST_F(parsing, connection_is_given_as_to_psql) {
    const auto made = parsed({"status", "-h", "db", "-p5433", "-U", "me", "-d", "postgresql://x/shop"});
    EXPECT_EQ(made.connection.get("host"), "db");
    EXPECT_EQ(made.connection.get("port"), "5433");
    EXPECT_EQ(made.connection.get("user"), "me");
    EXPECT_EQ(made.connection.get("dbname"), "postgresql://x/shop");
    EXPECT_EQ(made.connection.values().back().first, "dbname") << "a connection string comes last, as in psql";

    const auto spelled_out = parsed({"status", "--host=db", "--port", "1", "--username", "me", "--dbname", "shop"});
    EXPECT_EQ(spelled_out.connection.get("host"), "db");
    EXPECT_EQ(spelled_out.connection.get("user"), "me");
    EXPECT_TRUE(parsed({"status"}).connection.values().empty()) << "libpq's own sources decide";
}

TEST_F(parsing, the_connect_timeout_of_libpq_holds) {
    EXPECT_EQ(parsed({"status"}).connection.connect_timeout(), std::chrono::seconds(10));
    variables["PGCONNECT_TIMEOUT"] = "3";
    EXPECT_EQ(parsed({"status"}).connection.connect_timeout(), std::chrono::seconds(3));
    variables["PGCONNECT_TIMEOUT"] = "soon";
    EXPECT_EQ(parsed({"status"}).connection.connect_timeout(), std::chrono::seconds(10));
}

TEST_F(parsing, what_stands_behind_a_table_belongs_to_it) {
    const auto made =
        parsed({"run", "--table", "users", "--alter", "ALTER COLUMN id TYPE bigint", "--key", "users_id_key", "--table",
                "shop.orders", "--set", "n = 1", "--alter", "ADD COLUMN n int", "--alter", "ADD COLUMN m int"});
    ASSERT_TRUE(made.tables);
    ASSERT_EQ(made.tables->changes.size(), 2U);
    const plan::change_request& users = made.tables->changes[0];
    const plan::change_request& orders = made.tables->changes[1];
    EXPECT_EQ(users.table, (qualified_name{"", "users"}));
    EXPECT_EQ(users.alters, words{"ALTER COLUMN id TYPE bigint"});
    EXPECT_EQ(users.key_index, "users_id_key");
    EXPECT_TRUE(users.sets.empty());
    EXPECT_EQ(orders.table, (qualified_name{"shop", "orders"}));
    EXPECT_EQ(orders.alters, (words{"ADD COLUMN n int", "ADD COLUMN m int"}));
    EXPECT_EQ(orders.sets, words{"n = 1"});
    EXPECT_FALSE(orders.key_index);
    EXPECT_FALSE(made.tables->with_references);
    EXPECT_EQ(made.settings.method, run::method_choice::automatic) << "which of them need a copy is found out";
}

TEST_F(parsing, one_table_takes_its_options_in_any_order) {
    EXPECT_FALSE(parsed({"run", "--alter", "ADD COLUMN n int", "--table", "t"}).tables);
    const auto made =
        parsed({"plan", "--with-references", "--alter", "ALTER COLUMN id TYPE bigint", "--table", "users"});
    ASSERT_TRUE(made.tables);
    EXPECT_TRUE(made.tables->with_references);
    EXPECT_EQ(made.tables->changes.at(0).alters, words{"ALTER COLUMN id TYPE bigint"});
    EXPECT_EQ(made.settings.method, run::method_choice::copy);
}

TEST_F(parsing, several_tables_may_stand_in_a_file) {
    const std::string file = file_with("table = a\nalter = ADD COLUMN n int\ntable = b\nalter = ADD COLUMN m int\n");
    const auto made = parsed({"run", "--config", file});
    ASSERT_TRUE(made.tables);
    EXPECT_EQ(made.tables->changes.at(0).alters, words{"ADD COLUMN n int"});
    EXPECT_EQ(made.tables->changes.at(1).alters, words{"ADD COLUMN m int"});
    EXPECT_FALSE(parsed({"run", "--table", "c", "--alter", "ADD COLUMN n int", "--config", file}).tables)
        << "the command line comes first";
    variables["PGEIST_WITH_REFERENCES"] = "on";
    EXPECT_TRUE(parsed({"run", "--table", "c", "--alter", "ALTER COLUMN n TYPE bigint"}).tables);
}

TEST_F(parsing, several_tables_that_cannot_be_understood) {
    const words two{"run",     "--table", "a",       "--alter",         "ADD COLUMN n int",
                    "--table", "b",       "--alter", "ADD COLUMN m int"};
    const auto two_and = [&](words more) {
        words all = two;
        all.insert(all.end(), more.begin(), more.end());
        return all;
    };
    EXPECT_TRUE(
        contains(complaint({"run", "--alter", "ADD COLUMN n int", "--table", "a", "--table", "b", "--alter", "x"}),
                 "--alter stands before the first --table"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "a", "--table", "b", "--alter", "ADD COLUMN n int"}),
                         "nothing to change in a"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "a", "--table", "b", "--file", "f.sql"}),
                         "--file does not go with several tables"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "a", "--table", "b", "--repack"}), "--repack does not go with"));
    EXPECT_TRUE(contains(complaint(two_and({"--index", "i"})), "--index does not go with several tables"));
    EXPECT_TRUE(contains(complaint(two_and({"--order-by", "n"})), "--order-by does not go with several tables"));
    EXPECT_TRUE(contains(complaint(two_and({"--with-references", "--method", "native"})), "--with-references"));
    EXPECT_TRUE(contains(complaint(two_and({"--method", "server"})), "--method"));
    EXPECT_TRUE(contains(complaint(two_and({"--set", "m = 1", "--method", "native"})), "--set"));
    EXPECT_TRUE(contains(complaint(two_and({"--key", "i", "--key", "j"})), "--key is given more than once for b"));
    EXPECT_TRUE(
        contains(complaint({"run", "--with-references", "--file", "f.sql"}), "--with-references needs a --table"));
    EXPECT_TRUE(contains(complaint({"backfill", "--table", "a", "--table", "b", "--set", "n = 1"}), "more than once"));
    EXPECT_TRUE(
        contains(complaint({"run", "--table", "a", "--alter", "x", "--key", "i", "--key", "j"}), "more than once"));
    EXPECT_TRUE(contains(complaint({"run", "--index", "i", "--table", "a", "--table", "b"}), "does not go with"));
    variables["PGEIST_KEY"] = "i";
    EXPECT_TRUE(contains(complaint(two), "PGEIST_KEY: it cannot be said to which --table it belongs"));
}

TEST_F(parsing, a_change_with_all_its_parts) {
    const auto made = parsed({"run", "--table", "Shop.\"Orders\"", "--alter", "ALTER COLUMN id TYPE bigint", "--alter",
                              "ADD COLUMN n int", "--set", "n = id % 7", "--set", "m = 'a=b'", "--key", "orders_pkey"});
    EXPECT_EQ(made.what, command::run);
    EXPECT_EQ(made.change.table, (qualified_name{"shop", "Orders"}));
    EXPECT_EQ(made.change.alters, (words{"ALTER COLUMN id TYPE bigint", "ADD COLUMN n int"}));
    EXPECT_EQ(made.change.sets, (words{"n = id % 7", "m = 'a=b'"}));
    EXPECT_EQ(made.change.key_index, "orders_pkey");
    EXPECT_FALSE(made.change.repack);
    EXPECT_TRUE(run_with({}).change.repack);
}

TEST_F(parsing, a_value_may_look_like_anything) {
    EXPECT_EQ(run_with({"--set", "a = -1", "--set=b=--c"}).change.sets, (words{"a = -1", "b=--c"}));
    EXPECT_EQ(run_with({"--throttle-query", "-- nothing\nSELECT 0"}).settings.throttle_query, "-- nothing\nSELECT 0");
}

TEST_F(parsing, statements_come_from_a_file) {
    const std::string name = file_with("-- first\nALTER TABLE t ADD a int;\n\nALTER TABLE t ADD b text DEFAULT ';';\n");
    const auto made = parsed({"run", "--table", "t", "--file", name});
    EXPECT_EQ(made.change.alters, (words{"-- first\nALTER TABLE t ADD a int", "ALTER TABLE t ADD b text DEFAULT ';'"}));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--file", "/no/such/file"}), "/no/such/file"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--file", file_with("-- nothing\n;")}), "no statement"));
}

TEST_F(parsing, options_of_a_run) {
    const auto made =
        run_with({"--workers", "4", "--verify", "sample:10", "--drop-old", "--postpone-swap", "--max-lag", "r1:10s",
                  "--max-lag=1GB", "--output", "json", "--progress", "plain", "--verbose", "--yes"});
    EXPECT_EQ(made.settings.workers, 4);
    EXPECT_EQ(made.settings.verify, run::verify_mode::sample);
    EXPECT_TRUE(made.settings.drop_old);
    EXPECT_TRUE(made.settings.postpone_swap);
    EXPECT_EQ(made.settings.max_lag_time, std::chrono::seconds(10));
    EXPECT_EQ(made.settings.max_lag_bytes, 1 << 30);
    EXPECT_EQ(made.format, report::output_format::json);
    EXPECT_EQ(made.progress, report::progress_mode::plain);
    EXPECT_TRUE(made.how_much.verbose);
    EXPECT_TRUE(made.yes);
    run::settings defaults;
    defaults.method = run::method_choice::copy;  // run_with() asks for --repack
    EXPECT_EQ(run::to_json(run_with({}).settings), run::to_json(defaults));
}

TEST_F(parsing, dry_run_is_plan) {
    EXPECT_EQ(run_with({"--dry-run"}).what, command::plan);
    EXPECT_EQ(parsed({"plan", "--table", "t", "--repack"}).what, command::plan);
}

TEST_F(parsing, the_environment_fills_in_what_the_command_line_leaves_open) {
    variables = {{"PGEIST_WORKERS", "4"},
                 {"PGEIST_LOCK_TIMEOUT", "50ms"},
                 {"PGEIST_DROP_OLD", "true"},
                 {"PGEIST_CHUNK_ROWS", ""}};
    const auto made = run_with({"--workers", "8"});
    EXPECT_EQ(made.settings.workers, 8);
    EXPECT_EQ(made.settings.lock_timeout, std::chrono::milliseconds(50));
    EXPECT_TRUE(made.settings.drop_old);
    EXPECT_EQ(made.settings.chunk_rows, std::nullopt);
    variables["PGEIST_DROP_OLD"] = "off";
    EXPECT_FALSE(run_with({}).settings.drop_old);
}

TEST_F(parsing, a_mistake_in_the_environment_is_named_after_its_variable) {
    variables["PGEIST_WORKERS"] = "many";
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack"}), "PGEIST_WORKERS: \"many\""));
    EXPECT_EQ(parsed({"status"}).what, command::status) << "other commands do not look at it";
}

TEST_F(parsing, a_file_without_a_table_is_a_migration) {
    const std::string name = file_with("ALTER TABLE a ADD b int;\nUPDATE c SET d = 1;\n");
    const auto made = parsed({"run", "--file", name, "--undoes", name, "--resume"});
    ASSERT_TRUE(made.file);
    EXPECT_EQ(made.file->file.name, name);
    EXPECT_EQ(made.file->file.statements.size(), 2U);
    EXPECT_EQ(made.file->undoes, made.file->file.identity);
    EXPECT_TRUE(made.file->resume);
    EXPECT_FALSE(parsed({"run", "--table", "t", "--file", file_with("ALTER TABLE t ADD a int")}).file);
    EXPECT_TRUE(contains(complaint({"run", "--file", name, "--set", "a = 1"}), "--set belongs to a --table"));
    EXPECT_TRUE(contains(complaint({"run", "--file", name, "--key", "i"}), "--key belongs to a --table"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--undoes", name}), "migration file"));
    EXPECT_TRUE(contains(complaint({"run", "--file", "/no/such/file"}), "/no/such/file"));
}

TEST_F(parsing, a_file_fills_in_what_the_environment_leaves_open) {
    const std::string name =
        file_with("# defaults\nworkers = 3\nlock-timeout=70ms\nmax-rate = 9 # slowly\nhost = filehost\n");
    variables["PGEIST_WORKERS"] = "5";
    const auto made = run_with({"--config", name, "--max-rate", "11"});
    EXPECT_EQ(made.settings.workers, 5);
    EXPECT_EQ(made.settings.lock_timeout, std::chrono::milliseconds(70));
    EXPECT_EQ(made.settings.max_rate, 11);
    EXPECT_EQ(made.connection.get("host"), "filehost");

    variables["PGEIST_CONFIG"] = name;
    EXPECT_EQ(run_with({}).settings.max_rate, 9);
    EXPECT_EQ(parsed({"status"}).connection.get("host"), "filehost") << "a file may hold options of all commands";
}

TEST_F(parsing, repeatable_options_may_stand_in_a_file_more_than_once) {
    const std::string name = file_with("alter = ADD a int\nalter = ADD b int\n");
    EXPECT_EQ(parsed({"run", "--table", "t", "--config", name}).change.alters, (words{"ADD a int", "ADD b int"}));
    EXPECT_TRUE(run_with({"--config", name}).change.repack) << "the command line asks for another change";
    EXPECT_TRUE(run_with({"--config", name}).change.alters.empty());
}

TEST_F(parsing, mistakes_in_a_file_are_named) {
    const words with_file{"run", "--table", "t", "--repack", "--config"};
    const auto complaint_about = [&](const std::string& text) {
        words arguments = with_file;
        arguments.push_back(file_with(text));
        return complaint(arguments);
    };
    EXPECT_TRUE(contains(complaint_about("wokers = 3\n"), "did you mean workers?"));
    EXPECT_TRUE(contains(complaint_about("workers = 300\n"), "workers in "));
    EXPECT_TRUE(contains(complaint_about("workers\n"), "name = value"));
    EXPECT_TRUE(contains(complaint_about("workers = 1\nworkers = 2\n"), "more than once"));
    EXPECT_TRUE(contains(complaint_about("help = on\n"), "unknown option help"));
    EXPECT_TRUE(contains(complaint({"status", "--config", "/no/such"}), "/no/such"));
}

TEST_F(parsing, options_that_exclude_each_other) {
    EXPECT_TRUE(
        contains(complaint({"run", "--table", "t", "--repack", "--keep-old", "--drop-old"}), "exclude each other"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--quiet", "--verbose"}), "exclude each other"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--alter", "ADD a int"}), "exclude each other"));
    variables["PGEIST_DROP_OLD"] = "on";
    EXPECT_TRUE(run_with({}).settings.drop_old);
    EXPECT_FALSE(run_with({"--keep-old"}).settings.drop_old) << "the command line sets the other aside";
}

TEST_F(parsing, jobs) {
    EXPECT_EQ(parsed({"status"}).job, std::nullopt);
    EXPECT_EQ(parsed({"status", "12", "--watch"}).job, 12);
    EXPECT_TRUE(parsed({"status", "12", "--watch"}).watch);
    EXPECT_EQ(parsed({"resume", "-d", "shop", "3"}).job, 3);
    EXPECT_EQ(parsed({"continue", "3"}).what, command::proceed);
    EXPECT_EQ(parsed({"cleanup", "3"}).job, 3);
    EXPECT_TRUE(parsed({"cleanup", "--all", "--yes"}).all);
    EXPECT_TRUE(contains(complaint({"resume"}), "needs a job"));
    EXPECT_TRUE(contains(complaint({"cleanup"}), "--all"));
    EXPECT_TRUE(contains(complaint({"cleanup", "3", "--all"}), "too much"));
    EXPECT_TRUE(contains(complaint({"resume", "orders"}), "not a job"));
    EXPECT_TRUE(contains(complaint({"resume", "0"}), "not a job"));
    EXPECT_TRUE(contains(complaint({"resume", "99999999999999999999"}), "not a job"));
    EXPECT_TRUE(contains(complaint({"resume", "1", "2"}), "too much"));
    EXPECT_TRUE(contains(complaint({"run", "t", "--table", "t", "--repack"}), "too much"));
}

TEST_F(parsing, resume_takes_options_that_may_change) {
    const auto changed = parsed({"resume", "3", "--max-log-size", "2GB", "--workers=4"}).values;
    EXPECT_EQ(changed, (commands::named_values{{"workers", "4"}, {"max-log-size", "2GB"}}));
    EXPECT_TRUE(parsed({"resume", "3"}).values.empty());
    EXPECT_TRUE(contains(complaint({"resume", "3", "--drop-old"}), "no option"));
    EXPECT_TRUE(contains(complaint({"resume", "3", "--max-log-size", "much"}), "--max-log-size"));
}

TEST_F(parsing, set_takes_names_and_values_and_checks_them) {
    const auto made = parsed({"set", "3", "workers=4", "max-lag=r1:10s"});
    EXPECT_EQ(made.job, 3);
    EXPECT_EQ(made.values, (commands::named_values{{"workers", "4"}, {"max-lag", "r1:10s"}}));
    EXPECT_TRUE(contains(complaint({"set", "3"}), "nothing to set"));
    EXPECT_TRUE(contains(complaint({"set", "3", "workers"}), "NAME=VALUE"));
    EXPECT_TRUE(contains(complaint({"set", "3", "workers=400"}), "workers: 400 is out of range"));
    EXPECT_TRUE(contains(complaint({"set", "3", "verify=off"}), "cannot be changed while a job runs"));
}

TEST_F(parsing, what_is_wrong_and_what_is_meant) {
    EXPECT_TRUE(contains(complaint({}), "command is missing"));
    EXPECT_TRUE(contains(complaint({"runn", "--table", "t"}), "did you mean run?"));
    EXPECT_TRUE(contains(complaint({"run", "--worker", "3"}), "did you mean --workers?")) << "no abbreviations";
    EXPECT_TRUE(contains(complaint({"run", "--frobnicate"}), "unknown option --frobnicate"));
    EXPECT_TRUE(contains(complaint({"status", "--workers", "3"}), "status has no option --workers"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--workers"}), "--workers needs a value"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--drop-old=yes"}), "--drop-old takes no value"));
    EXPECT_TRUE(contains(complaint({"run", "--repack"}), "--table is missing"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t"}), "nothing to change"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--alter", " "}), "--alter is empty"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "\"t", "--repack"}), "--table: "));
    EXPECT_TRUE(
        contains(complaint({"run", "--table", "t", "--table", "u", "--repack"}), "--repack does not go with several"));
    EXPECT_TRUE(contains(complaint({"expand", "--table", "t", "--table", "u", "--rename", "a=b"}),
                         "--table is given more than once"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--set", "note"}), "COLUMN = EXPRESSION"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--output", "xml"}), "human or json"));
    EXPECT_TRUE(
        contains(complaint({"run", "--table", "t", "--repack", "--progress", "bar"}), "auto, tty, plain or off"));
}

TEST_F(parsing, a_run_that_can_be_taken_back) {
    const auto made = parsed({"run", "--table", "t", "--repack", "--revertible", "--revert-window", "24h", "--back-set",
                              "a = b + 1", "--back-set", "c = 'x'"});
    EXPECT_TRUE(made.settings.revertible);
    EXPECT_EQ(made.settings.revert_window, std::chrono::hours(24));
    EXPECT_EQ(made.settings.back_sets, (std::vector<std::string>{"a = b + 1", "c = 'x'"}));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--revertible", "--back-set", "a"}),
                         "OLD_COLUMN = EXPRESSION"));
    variables["PGEIST_REVERTIBLE"] = "on";
    EXPECT_TRUE(parsed({"run", "--table", "t", "--repack"}).settings.revertible);
}

TEST_F(parsing, revert_takes_a_job_and_all_options_of_the_swap) {
    const auto made = parsed({"revert", "7", "--check", "--lose", "a_idx", "--lose", "b", "--lock-timeout", "50ms",
                              "--verify", "off", "--postpone-swap"});
    EXPECT_EQ(made.job, 7);
    EXPECT_TRUE(made.check);
    EXPECT_EQ(made.lose, (std::vector<std::string>{"a_idx", "b"}));
    const commands::named_values changes{{"verify", "off"}, {"lock-timeout", "50ms"}, {"postpone-swap", "on"}};
    EXPECT_EQ(made.values, changes);
    EXPECT_TRUE(contains(complaint({"revert"}), "needs a job"));
    EXPECT_TRUE(contains(complaint({"revert", "7", "--drop-old"}), "revert has no option --drop-old"));
}

TEST_F(parsing, files_and_hooks_are_for_commands_that_run_a_job) {
    const std::string folder = ::testing::TempDir();
    const auto made = parsed({"run", "--table", "t", "--repack", "--report", folder + "r.html", "--metrics",
                              folder + "m.prom", "--log-file", folder + "log", "--log-format", "json"});
    EXPECT_EQ(made.beside.report, folder + "r.html");
    EXPECT_EQ(made.beside.log_format, report::output_format::json);
    EXPECT_EQ(parsed({"resume", "1", "--metrics", folder + "m.prom"}).beside.metrics, folder + "m.prom");
    EXPECT_TRUE(contains(complaint({"status", "--report", "x.html"}), "status has no option --report"));
    EXPECT_TRUE(contains(complaint({"resume", "1", "--report", folder}), "cannot be written"));
    EXPECT_TRUE(contains(complaint({"resume", "1", "--report", "/no/such/r.html"}), "cannot be written"));
    EXPECT_TRUE(contains(complaint({"resume", "1", "--log-format", "xml"}), "use text or json"));
    EXPECT_TRUE(contains(complaint({"resume", "1", "--hook-dir", "/no/such"}), "is not a folder"));
}

TEST_F(parsing, thresholds_of_candidates) {
    const auto made = parsed({"repack-candidates", "--min-bloat", "45.5%", "--min-size", "1GB"});
    EXPECT_EQ(made.thresholds.percent, 45.5);
    EXPECT_EQ(made.thresholds.bytes, std::int64_t(1) << 30);
    EXPECT_TRUE(contains(complaint({"repack-candidates", "--min-bloat", "101"}), "0 to 100"));
    EXPECT_TRUE(contains(complaint({"repack-candidates", "orders"}), "too much"));
}

TEST_F(parsing, a_round_of_candidates_drops_the_old_tables_unless_they_are_wanted) {
    const auto made = parsed({"repack-candidates", "--run", "3", "--window", "23:00-05:00", "--max-load", "20"});
    ASSERT_TRUE(made.round);
    EXPECT_EQ(made.round->tables, 3);
    EXPECT_EQ(made.round->window, "23:00-05:00");
    EXPECT_EQ(made.settings.max_load, 20);
    EXPECT_TRUE(made.settings.drop_old);
    EXPECT_FALSE(parsed({"repack-candidates", "--run", "1", "--keep-old"}).settings.drop_old);
    EXPECT_FALSE(parsed({"repack-candidates"}).round);
    EXPECT_TRUE(contains(complaint({"repack-candidates", "--run", "0"}), "from 1 on"));
    EXPECT_TRUE(contains(complaint({"repack-candidates", "--window", "1:00-2:00"}), "needs --run"));
    EXPECT_TRUE(contains(complaint({"repack-candidates", "--run", "1", "--window", "night"}), "no window"));
}

TEST_F(parsing, indexes_alone_go_with_nothing_that_changes_the_table) {
    const auto all = parsed({"run", "--table", "S.t", "--repack", "--only-indexes"});
    ASSERT_TRUE(all.reindex);
    EXPECT_EQ(all.reindex->table.display(), "s.t");
    EXPECT_TRUE(all.reindex->indexes.empty());
    EXPECT_EQ(parsed({"plan", "--table", "t", "--index", "a", "--index", "\"B\""}).reindex->indexes,
              (words{"a", "\"B\""}));
    EXPECT_FALSE(run_with({}).reindex);
    EXPECT_TRUE(contains(complaint({"run", "--index", "a"}), "needs --table"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--index", "a", "--only-indexes"}), "exclude each other"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--index", "a", "--set", "x = 1"}), "does not go with it"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--index", "a.b.c"}), "--index"));
}

TEST_F(parsing, an_order_of_the_rows_goes_with_a_repack_by_a_copy) {
    EXPECT_EQ(parsed({"run", "--table", "t", "--repack", "--order-by", "a DESC, b"}).change.order_by, "a DESC, b");
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--alter", "DROP x", "--order-by", "a"}), "needs --repack"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--order-by", "a,"}), "is no order"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--order-by", "a", "--copy-order", "key"}),
                         "exclude each other"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--order-by", "a", "--only-indexes"}),
                         "does not go with it"));
}

TEST_F(parsing, the_servers_own_repack_takes_nothing_of_a_copy) {
    EXPECT_EQ(parsed({"run", "--table", "t", "--repack", "--method", "server"}).settings.method,
              run::method_choice::server);
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--alter", "DROP x", "--method", "server"}), "--repack"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--method", "server", "--order-by", "a"}),
                         "no such thing"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--method", "server", "--revertible"}),
                         "no such thing"));
    EXPECT_TRUE(contains(complaint({"rehearse", "--table", "t", "--repack", "--method", "server"}), "not rehearsed"));
}

TEST_F(parsing, a_rehearsal_and_its_conditions) {
    const auto asked = parsed({"rehearse", "--table", "t", "--alter", "DROP x", "--locks", "take", "--fail-if",
                               "lock > 50ms", "--fail-if", "space>=1GB"});
    EXPECT_EQ(asked.what, command::rehearse);
    EXPECT_EQ(asked.settings.locks, run::rehearsed_locks::take);
    ASSERT_EQ(asked.rehearsal.limits.size(), 2U);
    EXPECT_EQ(asked.rehearsal.limits[0].value, 50);
    EXPECT_TRUE(asked.rehearsal.limits[1].or_equal);
    EXPECT_EQ(asked.rehearsal.limits[1].value, 1024.0 * 1024 * 1024);
    EXPECT_EQ(parsed({"rehearse", "--table", "t", "--repack"}).settings.locks, run::rehearsed_locks::sample);
    for (const char* wrong : {"lock", "luck > 1ms", "lock > 5", "time < 1s", "lock > "}) {
        EXPECT_NE(complaint({"rehearse", "--table", "t", "--repack", "--fail-if", wrong}), "") << wrong;
    }
    EXPECT_TRUE(contains(complaint({"rehearse", "--table", "t", "--index", "a"}), "not rehearsed"));
    EXPECT_TRUE(contains(complaint({"run", "--table", "t", "--repack", "--locks", "take"}), "no option --locks"));
}

TEST_F(parsing, json_is_recognised_even_in_a_wrong_command_line) {
    const auto none = [](const std::string&) -> std::optional<std::string> { return std::nullopt; };
    const auto json = [](const std::string&) -> std::optional<std::string> { return "json"; };
    EXPECT_TRUE(wants_json({"run", "--output", "json", "--nonsense"}, none));
    EXPECT_TRUE(wants_json({"run", "--output=json"}, none));
    EXPECT_TRUE(wants_json({"runn"}, json));
    EXPECT_FALSE(wants_json({"run", "--output=human"}, json));
    EXPECT_FALSE(wants_json({"run", "--output"}, none));
}

}  // namespace
}  // namespace pgeist::cli
