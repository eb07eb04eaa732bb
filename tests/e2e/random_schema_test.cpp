// Tables made at random: a repack leaves them as they were, and a change ends as ALTER TABLE itself would. A failure is
// run again with the PGEIST_SEED that it prints; PGEIST_ROUNDS makes more of them.

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "e2e/kitchen_sink_sql.hpp"
#include "e2e/random_schema.hpp"
#include "e2e/run_test.hpp"
#include "support/leftovers.hpp"
#include "support/table_description.hpp"
#include "support/table_rows.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

/// A few in every test run; hundreds when somebody asks for them.
int rounds() {
    const char* given = std::getenv("PGEIST_ROUNDS");
    return given != nullptr ? std::atoi(given) : 5;
}

class random_schema_test : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            sql().execute(
                "CREATE SCHEMA ext; GRANT USAGE ON SCHEMA ext TO PUBLIC; CREATE EXTENSION citext SCHEMA ext; "
                "CREATE EXTENSION hstore SCHEMA ext; CREATE EXTENSION ltree SCHEMA ext");
        }
    }

    /// The operators in what hangs on the table, whose text may not show them.
    std::string operators() {
        return sql().scalar(
            "SELECT coalesce(string_agg(name || ':' || (SELECT string_agg(used[1], ' ' ORDER BY place) FROM "
            "regexp_matches(tree, ':opno (\\d+)', 'g') WITH ORDINALITY AS m(used, place) WHERE used[1]::int >= 16384), "
            "' ' "
            "ORDER BY name), '') FROM (SELECT ev_class::regclass || rulename AS name, concat(ev_qual::text, "
            "ev_action::text) AS "
            "tree FROM pg_rewrite JOIN pg_class c ON c.oid = ev_class WHERE relnamespace = 'app'::regnamespace UNION "
            "ALL "
            "SELECT polname || polrelid::regclass, concat(polqual::text, polwithcheck::text) FROM pg_policy JOIN "
            "pg_class "
            "c ON c.oid = polrelid WHERE relnamespace = 'app'::regnamespace UNION ALL SELECT proname, prosqlbody::text "
            "FROM "
            "pg_proc WHERE pronamespace = 'app'::regnamespace AND prosqlbody IS NOT NULL) AS all_of_them");
    }

    void make_twins(const random_schema& made) {
        for (const char* schema : {"app", "native"}) {
            sql().execute(std::string("DROP SCHEMA IF EXISTS ") + schema + " CASCADE");
            sql().execute(std::string("CREATE SCHEMA ") + schema + "; SET search_path = " + schema + ", ext");
            sql().execute(replaced(made.setup, "@role@", role_));
        }
        sql().execute("RESET search_path");
    }

    run_result change(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"--table", "app.t", "--drop-old", "--output", "json"});
        return command("run", std::move(arguments));
    }

    /// Heap and indexes agree, by the server's own check, which 19 has for certain where the tests run.
    void expect_sound() {
        if (sql().server_major() < 19) {
            return;
        }
        sql().execute("CREATE EXTENSION IF NOT EXISTS amcheck SCHEMA pg_catalog");
        EXPECT_EQ(sql().number("SELECT count(*) FROM verify_heapam('app.t', check_toast => true)"), 0);
        sql().execute(
            "SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
            "JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree' WHERE i.indrelid = 'app.t'::regclass");
        sql().execute("SET enable_indexscan = off; SET enable_indexonlyscan = off; SET enable_bitmapscan = off");
        EXPECT_EQ(sql().number("SELECT count(*) FROM app.t"), sql().number("SELECT count(*) FROM native.t"));
        sql().execute("RESET enable_indexscan; RESET enable_indexonlyscan; RESET enable_bitmapscan");
    }

    void expect_repack_changes_nothing() {
        const table_state before = state_of("t", "app");
        const std::string used = operators();
        ASSERT_TRUE(exited(change({"--repack"}), 0));
        const table_state after = state_of("t", "app");
        EXPECT_NE(after.identity, before.identity);
        EXPECT_EQ(description_difference(before.description, after.description), std::vector<std::string>{});
        EXPECT_EQ(after.digest, before.digest);
        EXPECT_EQ(operators(), used);
    }

    /// What the server itself refuses must be refused too, and leave everything as it is.
    /// `method`: options that say by which.
    void expect_change_as_native(const std::string& alter, const std::vector<std::string>& method) {
        // Names in the clauses may be those of types beside the table.
        sql().execute("SET search_path = native, ext");
        const std::string refused = sql().sqlstate_of("ALTER TABLE native.t " + alter);
        sql().execute("RESET search_path");
        sql().execute("ALTER DATABASE " + db().name() + " SET search_path = app, ext");
        std::vector<std::string> arguments{"--alter", alter};
        arguments.insert(arguments.end(), method.begin(), method.end());
        const run_result result = change(arguments);
        if (alter.find("id TYPE bigint") != std::string::npos && !result.events("swap").empty()) {
            // A copy widens a serial column's sequence with it, which the server leaves to the user.
            sql().sqlstate_of("ALTER SEQUENCE native.t_id_seq AS bigint");
        }
        sql().execute("ALTER DATABASE " + db().name() + " RESET search_path");
        if (refused.empty()) {
            ASSERT_TRUE(exited(result, 0));
            EXPECT_EQ(description_difference(describe_table(sql(), "native", "t"), describe_table(sql(), "app", "t")),
                      std::vector<std::string>{});
            EXPECT_EQ(differing_rows(sql(), "native.t", "app.t"), std::vector<std::string>{});
        } else {
            EXPECT_NE(result.exit_code, 0) << "the server refuses it with " << refused;
        }
    }

    void expect_all_as_native() {
        role_ = db().create_role("role");
        const std::uint64_t seed = workload_seed();
        for (int round = 0; round < rounds() && !HasFailure(); ++round) {
            const random_schema made =
                make_random_schema(seed + static_cast<std::uint64_t>(round), sql().server_major());
            make_twins(made);
            expect_repack_changes_nothing();
            expect_sound();
            if (!HasFailure()) {
                expect_change_as_native(made.alter, {"--method", "copy"});
                expect_sound();
            }
            // Where nothing is small, and where all is.
            for (const char* most : {"1ms", "30s"}) {
                if (!HasFailure()) {
                    sql().execute("DROP SCHEMA IF EXISTS app CASCADE");
                    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
                    make_twins(made);
                    expect_change_as_native(made.alter, {"--method", "auto", "--max-block", most});
                    expect_sound();
                }
            }
            if (HasFailure()) {
                ADD_FAILURE() << "PGEIST_SEED=" << seed + static_cast<std::uint64_t>(round) << '\n'
                              << made.setup << "ALTER TABLE t " << made.alter;
            }
        }
    }

    std::string role_;
};

TEST_F(random_schema_test, ends_as_the_native_alter) { expect_all_as_native(); }

class random_schema_in_latin1 : public random_schema_test {
    [[nodiscard]] std::string encoding() const override { return "LATIN1"; }
};

TEST_F(random_schema_in_latin1, ends_as_the_native_alter) { expect_all_as_native(); }

}  // namespace
}  // namespace pgeist::test
