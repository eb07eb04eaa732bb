// Changes made where the table is, by each method: the result is what ALTER TABLE itself makes, nobody waits longer
// than
// --max-block, and what is interrupted is done once.

#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/leftovers.hpp"
#include "support/prober.hpp"
#include "support/table_description.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

using strings = std::vector<std::string>;
namespace json = boost::json;

class methods_test : public run_test {
protected:
    /// `--max-block 1ms`: nothing that grows with the table is small.
    static strings nothing_is_small(strings arguments) {
        arguments.insert(arguments.end(), {"--method", "native", "--max-block", "1ms"});
        return arguments;
    }

    /// public.t in two schemas: app is changed by pgeist, native by the server.
    void make_twins(const std::string& setup) {
        for (const char* schema : {"app", "native"}) {
            sql().execute(std::string("CREATE SCHEMA ") + schema + "; SET search_path = " + schema);
            sql().execute(setup);
        }
        sql().execute("RESET search_path");
    }

    /// What the application does with app.t meanwhile.
    static strings beside() {
        return {"SELECT count(*) FROM app.t WHERE code = 3", "UPDATE app.t SET code = code WHERE code = 3",
                slow_data::end_of_round()};
    }

    void expect_twins() {
        EXPECT_EQ(description_difference(describe_table(sql(), "native", "t"), describe_table(sql(), "app", "t")),
                  strings{});
        EXPECT_EQ(differing_rows(sql(), "native.t", "app.t"), strings{});
    }

    run_result change(const std::string& alter, strings more) {
        strings arguments{"--output", "json", "--table", "app.t", "--alter", alter};
        arguments.insert(arguments.end(), more.begin(), more.end());
        return command("run", arguments);
    }

    /// The methods of the steps that a run has told as done.
    static strings methods_of(const run_result& result) {
        strings found;
        for (const json::object& each : result.events("step")) {
            if (text_of(each, "state") != "started") {
                found.push_back(text_of(each, "method"));
            }
        }
        return found;
    }

    static constexpr const char* table =
        "CREATE TABLE t (id int, name varchar(20), note text, code int, CHECK (length(name) < 30)); "
        "INSERT INTO t SELECT i, 'n' || i, 'note ' || i, i FROM generate_series(1, 20000) i; "
        "CREATE UNIQUE INDEX t_code ON t (code); ANALYZE t";
};

struct method_case {
    const char* name;
    const char* alter;
    strings by;               ///< the methods of the steps, where nothing is small
    const char* before = "";  ///< run in both schemas first
    int oldest_server = 14;
};

const std::vector<method_case>& all_cases() {
    static const std::vector<method_case> all{
        {"add_column", "ADD COLUMN extra int DEFAULT 7 NOT NULL", {"native"}},
        {"drop_column", "DROP COLUMN note", {"native"}},
        {"several_at_once",
         "ADD COLUMN a int, ADD COLUMN b text DEFAULT 'x', ALTER COLUMN note SET DEFAULT 'y'",
         {"native"}},
        {"widened_text", "ALTER COLUMN name TYPE text", {"validate"}},
        {"widened_text_with_comment",
         "ALTER COLUMN name TYPE varchar(100)",
         {"validate"},
         "COMMENT ON CONSTRAINT t_name_check ON t IS 'short names'"},
        {"not_null", "ALTER COLUMN code SET NOT NULL", {"validate"}},
        {"not_null_of_two", "ALTER COLUMN code SET NOT NULL, ALTER COLUMN note SET NOT NULL", {"validate", "validate"}},
        {"check", "ADD CHECK (code > 0)", {"validate"}},
        {"named_check", "ADD CONSTRAINT \"Positive one\" CHECK (code > 0)", {"validate"}},
        {"column_with_check", "ADD COLUMN extra int DEFAULT 3 CHECK (extra > 0)", {"validate"}},
        {"column_with_check_of_another", "ADD COLUMN extra int DEFAULT 3 CHECK (code > 0)", {"validate"}},
        {"column_with_check_of_two", "ADD COLUMN extra int DEFAULT 3 CHECK (extra < code + 9)", {"validate"}},
        {"column_with_named_check",
         "ADD COLUMN extra int CONSTRAINT big CHECK (extra > code) DEFAULT 99999",
         {"validate"}},
        {"unique", "ADD UNIQUE (id, note)", {"concurrently"}},
        {"named_unique",
         "ADD CONSTRAINT \"One each\" UNIQUE (id) INCLUDE (code) WITH (fillfactor = 70)",
         {"concurrently"}},
        {"unique_deferred", "ADD UNIQUE (id) DEFERRABLE INITIALLY DEFERRED", {"concurrently"}},
        {"unique_nulls", "ADD UNIQUE NULLS NOT DISTINCT (id)", {"concurrently"}, "", 15},
        {"primary_key", "ADD PRIMARY KEY (id)", {"concurrently"}},
        {"primary_key_of_two", "ADD CONSTRAINT pk PRIMARY KEY (id, code)", {"concurrently"}},
        {"unique_whose_name_is_taken", "ADD UNIQUE (id)", {"concurrently"}, "CREATE TABLE t_id_key (x int)"},
        {"mixed",
         "ADD COLUMN extra int, ADD CHECK (code > 0), ALTER COLUMN note SET NOT NULL, DROP COLUMN name, ADD UNIQUE "
         "(id)",
         {"native", "validate", "validate", "concurrently", "native"}},  // a dropped column goes last
        {"foreign_key",
         "ADD FOREIGN KEY (code) REFERENCES other (id)",
         {"validate"},
         "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other SELECT generate_series(1, 20000)"},
        {"foreign_key_with_action",
         "ADD CONSTRAINT fk FOREIGN KEY (code) REFERENCES other ON DELETE CASCADE DEFERRABLE",
         {"validate"},
         "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other SELECT generate_series(1, 20000)"},
        {"renamed", "RENAME COLUMN note TO remark", {"native"}},
        {"storage", "ALTER COLUMN note SET STORAGE EXTERNAL, SET (fillfactor = 80)", {"native"}},
        {"not_null_proven",
         "ALTER COLUMN code SET NOT NULL",
         {"native"},
         "ALTER TABLE t ADD CONSTRAINT proof CHECK (code IS NOT NULL)"},
    };
    return all;
}

// GoogleTest finds it by this name.
void PrintTo(const method_case& one, std::ostream* out) { *out << one.name; }  // NOLINT(readability-identifier-naming)

class by_method : public methods_test, public ::testing::WithParamInterface<method_case> {};

TEST_P(by_method, ends_as_the_plain_alter) {
    const method_case& one = GetParam();
    if (sql().server_major() < one.oldest_server) {
        return;  // the server has no such statement
    }
    make_twins(std::string(table) + "; " + one.before);
    sql().execute(std::string("SET search_path = native; ALTER TABLE t ") + one.alter + "; RESET search_path");
    sql().execute("ALTER DATABASE " + db().name() + " SET search_path = app");
    slow_data slow(sql(), "app");
    prober application(db(), beside());
    const run_result result = change(one.alter, nothing_is_small({}));
    EXPECT_LT(application.stop(), 1 + prober::lock_share);
    ASSERT_TRUE(exited(result, 0));
    EXPECT_EQ(methods_of(result), one.by);
    const bool reads = one.by != strings(one.by.size(), "native");
    EXPECT_EQ(slow.held() > 0, reads) << "the data were not slow";
    expect_twins();
    EXPECT_EQ(text_of(only_job(db().uri()), "state"), "done");
    const std::string identity = table_identity(sql(), "app.t");
    EXPECT_TRUE(exited(change(one.alter, nothing_is_small({})), 0));
    EXPECT_EQ(job_list(db().uri()).size(), 1U) << "the second run did it again";
    EXPECT_EQ(table_identity(sql(), "app.t"), identity);
    expect_twins();
    expect_cleanup_leaves_nothing();
    expect_twins();
}

/// That the one beside the cases above would see it.
TEST_F(methods_test, that_block_are_seen_by_who_waits) {
    make_twins(table);
    slow_data slow(sql(), "app");
    prober application(db(), beside());
    EXPECT_TRUE(exited(change("ALTER COLUMN code SET NOT NULL", {"--method", "native", "--max-block", "1h"}), 0));
    EXPECT_GE(application.stop(), slow_data::at_most);
}

TEST_P(by_method, is_done_at_once_where_the_table_is_small) {
    const method_case& one = GetParam();
    if (sql().server_major() < one.oldest_server) {
        return;  // the server has no such statement
    }
    make_twins(std::string(table) + "; " + one.before);
    sql().execute(std::string("SET search_path = native; ALTER TABLE t ") + one.alter + "; RESET search_path");
    sql().execute("ALTER DATABASE " + db().name() + " SET search_path = app");
    const run_result result = change(one.alter, {"--method", "native", "--max-block", "30s"});
    ASSERT_TRUE(exited(result, 0));
    for (const std::string& each : methods_of(result)) {
        EXPECT_EQ(each, "native");
    }
    expect_twins();
}

std::string name_of(const ::testing::TestParamInfo<method_case>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(a, by_method, ::testing::ValuesIn(all_cases()), name_of);

/// What `plan --output json` says.
class method_plan_test : public methods_test {
protected:
    json::object plan_of(const std::string& alter, strings more = {"--method", "auto"}) {
        strings arguments{"--output", "json", "--table", "t", "--alter", alter};
        arguments.insert(arguments.end(), more.begin(), more.end());
        const run_result result = command("plan", arguments);
        EXPECT_TRUE(exited(result, 0));
        return result.events("plan").at(0);
    }

    static json::object step_of(const json::object& plan, std::size_t at) {
        return plan.at("steps").as_array().at(at).as_object();
    }
};

TEST_F(method_plan_test, says_what_each_step_does_and_why) {
    make_table(1000);
    const json::object plan =
        plan_of("ADD COLUMN extra int, ADD CHECK (code > 0)", {"--method", "auto", "--max-block", "1ms"});
    EXPECT_EQ(text_of(plan, "strategy"), "native");
    const json::array steps = plan.at("steps").as_array();
    ASSERT_GE(steps.size(), 1U);
    const json::object first = step_of(plan, 0);
    for (const char* name : {"number", "statement", "line", "table", "method", "why", "evidence", "locks", "rewrites",
                             "scans", "builds", "blocks_ms", "estimated_ms"}) {
        EXPECT_TRUE(first.contains(name)) << name;
    }
    EXPECT_EQ(text_of(first, "table"), "public.t");
    EXPECT_EQ(text_of(first, "evidence"), "tried");
    EXPECT_TRUE(first.at("line").is_null());
    const json::object lock = first.at("locks").as_array().at(0).as_object();
    EXPECT_EQ(text_of(lock, "relation"), "public.t");
    EXPECT_EQ(text_of(lock, "mode"), "ACCESS EXCLUSIVE");
    EXPECT_EQ(objects_left_behind(sql()), strings{});
}

TEST_F(method_plan_test, copies_what_only_a_copy_can_do) {
    make_table(1000);
    const json::object plan = plan_of("ALTER COLUMN id TYPE bigint", {"--method", "auto", "--max-block", "1ms"});
    EXPECT_EQ(text_of(plan, "strategy"), "shadow");
    EXPECT_EQ(text_of(step_of(plan, 0), "method"), "copy");
    const run_result refused = command(
        "plan", {"--table", "t", "--alter", "ALTER COLUMN id TYPE bigint", "--method", "native", "--max-block", "1ms"});
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"only be done by a copy", "--max-block"}));
}

TEST_F(method_plan_test, rewrites_a_small_table_in_place) {
    make_table(100);
    const json::object plan = plan_of("ALTER COLUMN id TYPE bigint");
    EXPECT_EQ(text_of(step_of(plan, 0), "method"), "native");
    EXPECT_EQ(step_of(plan, 0).at("rewrites").as_array().size(), 1U);
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint", "--method", "auto"}), 0));
    EXPECT_EQ(type_of("id"), "bigint");
}

TEST_F(method_plan_test, options_of_the_copy_make_it_one) {
    make_table(100);
    for (const strings& more :
         std::vector<strings>{{"--keep-old"}, {"--postpone-swap"}, {"--key", "t_pkey"}, {"--copy-order", "key"}}) {
        strings arguments{"--method", "auto"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        EXPECT_EQ(text_of(step_of(plan_of("ADD COLUMN extra int", arguments), 0), "method"), "copy") << more.front();
        arguments = {"--table", "t", "--alter", "ADD COLUMN extra int", "--method", "native"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        EXPECT_TRUE(exited(command("plan", arguments), 2)) << more.front();
    }
}

TEST_F(method_plan_test, refuses_what_fails) {
    make_table(100);
    const run_result gone = run({"--alter", "ALTER COLUMN gone TYPE text", "--method", "auto"});
    EXPECT_TRUE(exited(gone, 3));
    EXPECT_TRUE(says(gone, {"gone"}));
    expect_nothing_left();
}

}  // namespace
}  // namespace pgeist::test
