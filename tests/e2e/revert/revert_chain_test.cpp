// Tables made at random come back as they were, to the place of each row. Writers of every kind against an oracle,
// while the tables change places again and again. And a model that knows both definitions, where the change loses
// something.

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

/// Single changes, drawn at random, applied to the new table and to a model of the old one under what is promised: a
/// value that nobody has changed is the old one, bit for bit; a dropped column has its old value in rows that lived
/// through, also under another key, and its default in rows made later, also under a reused one.
class with_a_model : public revert_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            sql().execute(
                "CREATE TABLE t (id int PRIMARY KEY, note text, amount numeric, gone text DEFAULT 'made later', code "
                "int UNIQUE, mark text); INSERT INTO t SELECT i, 'note ' || i, i / 8.0, 'gone ' || i, i * 10, 'mark ' "
                "|| "
                "i FROM generate_series(1, 200) i; CREATE TABLE model AS TABLE t; ALTER TABLE model ADD PRIMARY KEY "
                "(id)");
        }
    }

    long long any_id(random_engine& random) { return pick(random, 1, 300); }

    void change_something(random_engine& random) {
        const std::string id = std::to_string(any_id(random));
        const std::string other = std::to_string(any_id(random));
        const std::string value = std::to_string(pick(random, 1, 1000000));
        const bool present = sql().number("SELECT count(*) FROM t WHERE id = " + id) == 1;
        const bool taken = sql().number("SELECT count(*) FROM t WHERE id = " + other) == 1;
        switch (pick(random, 0, 7)) {
            case 0:
                sql().execute("UPDATE t SET remark = 'r" + value + "' WHERE id = " + id +
                              "; UPDATE model SET note = 'r" + value + "' WHERE id = " + id);
                break;
            case 1:
                sql().execute("UPDATE t SET amount = " + value + " WHERE id = " + id +
                              "; UPDATE model SET amount = " + value + " WHERE id = " + id);
                break;
            case 2:
                sql().execute("DELETE FROM t WHERE id = " + id + "; DELETE FROM model WHERE id = " + id);
                break;
            case 3:
                if (!present) {
                    sql().execute("INSERT INTO t (id, remark, amount) VALUES (" + id +
                                  ", 'i', 5); INSERT INTO model (id, "
                                  "note, amount, gone) VALUES (" +
                                  id + ", 'i', 5, 'made later')");
                }
                break;
            case 4:  // a dead row's values must not come back under its key
                if (present) {
                    sql().execute("BEGIN; DELETE FROM t WHERE id = " + id +
                                  "; INSERT INTO t (id, remark, amount) VALUES (" + id +
                                  ", 'again', 6); DELETE FROM model WHERE id = " + id +
                                  "; INSERT INTO model (id, note, amount, gone) VALUES (" + id +
                                  ", 'again', 6, 'made later'); COMMIT");
                }
                break;
            case 5:
                if (present && !taken) {
                    sql().execute("UPDATE t SET id = " + other + " WHERE id = " + id +
                                  "; UPDATE model SET id = " + other + " WHERE id = " + id);
                }
                break;
            case 6:
                sql().execute("UPDATE t SET mark = 'm" + value + "' WHERE id = " + id + "; UPDATE model SET mark = 'm" +
                              value + "' WHERE id = " + id);
                break;
            default:  // changed and changed back within a transaction: unchanged
                sql().execute("BEGIN; UPDATE t SET code = NULL WHERE id = " + id +
                              "; UPDATE t SET code = m.code FROM model m "
                              "WHERE m.id = t.id AND t.id = " +
                              id + "; COMMIT");
                break;
        }
    }
};

TEST_F(with_a_model, what_the_change_loses_comes_back) {
    const std::uint64_t seed = workload_seed();
    random_engine random(seed);
    const auto window = start_window(
        "DROP COLUMN gone, RENAME COLUMN note TO remark, ALTER COLUMN amount TYPE int, ADD COLUMN fresh int DEFAULT 1",
        {"--set", "mark = concat(note, ' ', amount)"});
    for (int number = 0; number < 400; ++number) {
        change_something(random);
    }
    ASSERT_TRUE(exited(revert(), 0)) << "PGEIST_SEED=" << seed;
    EXPECT_TRUE(exited(window->finish(), 0));
    EXPECT_EQ(differing_rows(sql(), "model", "t", "id, note, amount, gone, code, mark"), std::vector<std::string>{})
        << "PGEIST_SEED=" << seed;
}

}  // namespace
}  // namespace pgeist::test
