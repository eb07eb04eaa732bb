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

/// What can be taken back, and the general change does not have: names, constraints that go, foreign keys that come,
/// types that lose something.
std::string another_change(random_engine& random) {
    static const std::vector<std::string> clauses{
        "RENAME COLUMN note TO \"re mark\"",
        "DROP CONSTRAINT IF EXISTS \"check\", DROP CONSTRAINT IF EXISTS later",
        "DROP CONSTRAINT IF EXISTS \"once %\"",
        "DROP CONSTRAINT IF EXISTS boss, DROP CONSTRAINT IF EXISTS also_once",
        "DROP CONSTRAINT IF EXISTS apart",
        "ADD CONSTRAINT known FOREIGN KEY (plain) REFERENCES app.numbers",
        "ADD CONSTRAINT known FOREIGN KEY (plain) REFERENCES app.numbers ON DELETE CASCADE NOT VALID",
        "ALTER COLUMN plain SET NOT NULL",
        "ALTER COLUMN note DROP NOT NULL, ALTER COLUMN id TYPE bigint",
        "ALTER COLUMN plain TYPE numeric(6,1)",
        "ALTER COLUMN note TYPE varchar(9)",
        "ALTER COLUMN plain TYPE text USING 'number ' || plain",
        "DROP COLUMN note"};
    const auto one = [&] { return clauses[static_cast<std::size_t>(pick(random, 0, 12))]; };
    std::string first = one();
    const std::string second = one();
    return first == second ? first : first + ", " + second;
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
        sql().execute("CREATE TABLE numbers (id int PRIMARY KEY); INSERT INTO numbers SELECT generate_series(1, 40)");
        sql().execute("RESET search_path");
    }

    /// Makes it a part of another table, where it can be one. @returns the options to copy it with
    std::vector<std::string> place(random_engine& random) {
        switch (pick(random, 0, 3)) {
            case 0:
                return {"--repack", "--copy-order", "heap"};
            case 1:
                try_to(
                    "SET search_path = app, ext; CREATE TABLE whole (LIKE t INCLUDING GENERATED) PARTITION BY RANGE "
                    "(plain); ALTER TABLE whole ATTACH PARTITION t FOR VALUES FROM (0) TO (1000)");
                return {"--repack"};
            case 2:
                try_to("CREATE TABLE app.above (plain int); ALTER TABLE app.t INHERIT app.above");
                return {"--repack"};
            default:
                return {"--repack"};
        }
    }

    void try_to(const std::string& statements) {
        placed_ += sql().sqlstate_of("BEGIN; " + statements + "; COMMIT").empty() ? 1 : 0;
        sql().execute("ROLLBACK; RESET search_path");
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
    int placed_ = 0;  ///< how often the table was a part of another
};

TEST_F(there_and_back, leaves_a_random_table_as_it_was) {
    const std::uint64_t seed = workload_seed();
    int changed = 0;
    for (int round = 0; round < rounds() && !HasFailure(); ++round) {
        const std::uint64_t seed_of_round = seed + static_cast<std::uint64_t>(round);
        random_engine random(seed_of_round);
        const random_schema made = make_random_schema(seed_of_round, sql().server_major());
        const std::string change = chance(random, 50) ? made.alter : another_change(random);
        make(made);
        changed += there_and_back_again({"--alter", change}) ? 1 : 0;
        if (!HasFailure()) {
            make(made);
            changed += there_and_back_again(place(random)) ? 1 : 0;
        }
        if (HasFailure()) {
            ADD_FAILURE() << "PGEIST_SEED=" << seed_of_round << '\n' << made.setup << "ALTER TABLE t " << change;
        }
    }
    std::cout << changed << " changes there and back, " << placed_ << " in a part of another table" << std::endl;
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
        load.add(
            {.uri = restricted, .isolation = "SERIALIZABLE", .prepared = false, .one_truncate_in = one_truncate_in});
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
