// Tables made at random come back as they were, to the place of each row. Writers of every kind against an oracle,
// while the tables change places again and again.

#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>

#include "e2e/random_schema.hpp"
#include "e2e/revert/revert_fixture.hpp"
#include "support/table_description.hpp"
#include "support/table_rows.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

std::string with_role(std::string text, const std::string& role) {
    const std::string place = "@role@";
    for (auto at = text.find(place); at != std::string::npos; at = text.find(place, at + role.size())) {
        text.replace(at, place.size(), role);
    }
    return text;
}

int rounds() {
    const char* given = std::getenv("PGEIST_ROUNDS");
    return given != nullptr ? std::atoi(given) : 4;
}

class there_and_back : public revert_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            role_ = db().create_role("role");
            sql().execute(
                "CREATE SCHEMA ext; GRANT USAGE ON SCHEMA ext TO PUBLIC; CREATE EXTENSION citext SCHEMA ext; CREATE "
                "EXTENSION hstore SCHEMA ext; CREATE EXTENSION ltree SCHEMA ext");
        }
    }

    void make(const random_schema& made) {
        sql().execute("DROP SCHEMA IF EXISTS app CASCADE; CREATE SCHEMA app; SET search_path = app, ext");
        sql().execute(with_role(made.setup, role_));
        sql().execute("RESET search_path");
    }

    /// Changes the table and takes the change back. @returns false when the change, or its way back, is refused
    bool there_and_back_again(std::vector<std::string> change) {
        const table_state before = state_of("t", "app");
        const std::string places = rows_and_places("app.t");
        change.insert(change.begin(), {"--table", "app.t", "--revertible"});
        sql().execute("ALTER DATABASE " + db().name() + " SET search_path = app, ext");
        const run_result there = command("run", change);
        sql().execute("ALTER DATABASE " + db().name() + " RESET search_path");
        if (there.exit_code != 0 || there.mentions("nothing to do")) {
            EXPECT_TRUE(there.exit_code == 3 || there.exit_code == 1 || there.exit_code == 0) << there.said();
            EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
            return false;
        }
        const std::string job = told("job");
        EXPECT_TRUE(exited(command("revert", {job}), 0));
        expect_back(before, "app");
        EXPECT_EQ(rows_and_places("app.t"), places);
        EXPECT_TRUE(exited(command("cleanup", {job}), 0));
        return true;
    }

    std::string role_;
};

TEST_F(there_and_back, leaves_a_random_table_as_it_was) {
    const std::uint64_t seed = workload_seed();
    int changed = 0;
    for (int round = 0; round < rounds() && !HasFailure(); ++round) {
        const random_schema made = make_random_schema(seed + static_cast<std::uint64_t>(round), sql().server_major());
        make(made);
        changed += there_and_back_again({"--alter", made.alter}) ? 1 : 0;
        if (!HasFailure()) {
            make(made);
            changed += there_and_back_again({"--repack"}) ? 1 : 0;
        }
        if (HasFailure()) {
            ADD_FAILURE() << "PGEIST_SEED=" << seed + static_cast<std::uint64_t>(round) << '\n'
                          << made.setup << "ALTER TABLE t " << made.alter;
        }
    }
    EXPECT_GT(changed, 0);
}

class reverting_under_writers : public revert_test {
protected:
    void expect_same(const workload_shape& shape) {
        EXPECT_EQ(differing_rows(sql(), shape.twin, shape.table), std::vector<std::string>{});
    }

    void three_legs(const workload_shape& shape, const std::vector<std::string>& change, int one_truncate_in = 0) {
        sql().execute(shape.create);
        const std::string writer = db().create_role("writer");
        sql().execute("GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON public.t, public.twin TO " + writer);
        workload load(shape, workload_seed());
        const std::string restricted = db().uri_as(writer);
        load.add({.uri = restricted, .isolation = "READ COMMITTED", .one_long_in = 200});
        load.add({.uri = restricted, .isolation = "REPEATABLE READ", .one_long_in = 200});
        // A revert that finds its table truncated begins anew: beside who goes on doing that it would never end.
        load.add({.uri = restricted,
                  .isolation = "SERIALIZABLE",
                  .prepared = false,
                  .one_truncate_in = one_truncate_in,
                  .most_truncations = 10});
        load.add({.uri = db().uri(), .isolation = "READ COMMITTED", .replica_role = true});
        load.wait_for_more(50);
        std::vector<std::string> arguments{"--table", "t", "--revertible"};
        arguments.insert(arguments.end(), change.begin(), change.end());
        ASSERT_TRUE(exited(command("run", arguments), 0));
        for (int leg = 1; leg <= 3 && !HasFailure(); ++leg) {
            load.wait_for_more(150);
            EXPECT_TRUE(exited(command("revert", {"1"}), 0)) << "leg " << leg;
        }
        load.wait_for_more(50);
        const workload_report report = load.stop();
        std::cout << report.committed << " transactions committed" << std::endl;
        EXPECT_EQ(report.failures, std::vector<std::string>{});
        expect_same(shape);
    }
};

TEST_F(reverting_under_writers, int_to_bigint) {
    three_legs(integer_key_shape(3000), {"--alter", "ALTER COLUMN id TYPE bigint"});
    EXPECT_EQ(type_of("id"), "integer");
}

TEST_F(reverting_under_writers, composite_key) {
    three_legs(composite_key_shape(3000),
               {"--alter", "ALTER COLUMN tenant TYPE bigint, ALTER COLUMN code TYPE bigint"});
}

TEST_F(reverting_under_writers, repack_with_truncates) { three_legs(integer_key_shape(1000), {"--repack"}, 400); }

}  // namespace
}  // namespace pgeist::test
