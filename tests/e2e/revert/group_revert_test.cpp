// Several tables that were exchanged together are kept in step and change places again, all of them or none: with their
// foreign keys, with rows that do not go back, with what others do to one of them, killed on the way.

#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>

#include <atomic>
#include <iostream>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "e2e/beside_the_swap.hpp"
#include "e2e/three_tables.hpp"
#include "support/json_lines.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

constexpr const char* swap_noted = "swap_xid = pg_current_xact_id()";

/// The three tables with keys that can be walked both ways.
class group_revert : public three_tables {
protected:
    void make(const std::string& schema) {
        sql().execute("SET search_path TO " + schema +
                      R"(;
            CREATE TABLE person (id int PRIMARY KEY, boss int REFERENCES person ON DELETE SET NULL, favourite int,
                                 balance int NOT NULL DEFAULT 100);
            CREATE TABLE orders (id int PRIMARY KEY, person int NOT NULL, note text,
                CONSTRAINT of_person FOREIGN KEY (person) REFERENCES person ON DELETE CASCADE);
            CREATE TABLE item (id int PRIMARY KEY, orders int, person int, n int,
                CONSTRAINT of_order FOREIGN KEY (orders) REFERENCES orders ON DELETE CASCADE ON UPDATE CASCADE);
            ALTER TABLE item ADD CONSTRAINT of_person FOREIGN KEY (person) REFERENCES person ON DELETE SET NULL NOT VALID;
            COMMENT ON CONSTRAINT of_order ON item IS 'an item is of an order';
            CREATE INDEX ON person (boss); CREATE INDEX ON orders (person); CREATE INDEX ON item (orders);
            CREATE INDEX ON item (person);
            INSERT INTO person SELECT i, nullif(i - 1, 0) FROM generate_series(1, 40) AS i;
            INSERT INTO orders SELECT i, i, 'note ' || i FROM generate_series(1, 40) AS i;
            INSERT INTO item SELECT i, (i + 1) / 2, (i + 1) / 2, i FROM generate_series(1, 80) AS i;
            UPDATE person SET favourite = id;
            ALTER TABLE person ADD CONSTRAINT favourite FOREIGN KEY (favourite) REFERENCES orders
                ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;
            ANALYZE; RESET search_path)");
    }

    /// All keys, and what refers to them, become bigint, and so does `n` of the items.
    static std::vector<std::string> revertible(const std::vector<std::string>& more = {}) {
        std::vector<std::string> all{
            "run",     "--output",
            "json",    "--revertible",
            "--table", "public.person",
            "--alter", "ALTER COLUMN id TYPE bigint, ALTER COLUMN boss TYPE bigint, ALTER COLUMN favourite TYPE bigint",
            "--table", "public.orders",
            "--alter", "ALTER COLUMN id TYPE bigint, ALTER COLUMN person TYPE bigint",
            "--table", "public.item",
            "--alter", "ALTER COLUMN orders TYPE bigint, ALTER COLUMN person TYPE bigint, ALTER COLUMN n TYPE bigint"};
        all.insert(all.end(), more.begin(), more.end());
        return all;
    }

    void note_state() {
        keys_ = constraints();
        identity_ = identity();
    }

    void run_revertible() {
        make("public");
        note_state();
        ASSERT_TRUE(exited(run_pgeist(db().uri(), revertible()), 0));
        ASSERT_EQ(types(), all_bigint);
    }

    std::unique_ptr<pgeist_process> start_window() {
        make("public");
        note_state();
        auto process = std::make_unique<pgeist_process>(db().uri(), revertible({"--revert-window", "1h"}));
        process->wait_for_phase("window");
        return process;
    }

    static constexpr const char* all_bigint = "bigint bigint bigint bigint bigint bigint bigint bigint";
    static constexpr const char* all_integer = "integer integer integer integer integer integer integer integer";

    /// Of the columns that the change is about.
    std::string types() {
        return sql().scalar(
            "SELECT string_agg(format_type(atttypid, atttypmod), ' ') FROM pg_attribute WHERE attnum > 0 AND "
            "(attrelid, "
            "attname) IN (('public.person'::regclass, 'id'), ('public.person'::regclass, 'boss'), "
            "('public.person'::regclass, 'favourite'), ('public.orders'::regclass, 'id'), ('public.orders'::regclass, "
            "'person'), ('public.item'::regclass, 'orders'), ('public.item'::regclass, 'person'), "
            "('public.item'::regclass, 'n'))");
    }

    /// OIDs and files of all three tables.
    std::string identity() {
        return sql().scalar(
            "SELECT string_agg(oid || ' ' || relfilenode, ' ' ORDER BY relname) FROM pg_class WHERE oid IN "
            "('public.person'::regclass, 'public.orders'::regclass, 'public.item'::regclass)");
    }

    /// What an application does to all tables at once: families that come and go by cascade, rows that move to other
    /// parents, an amount that moves from one table to another, keys that are changed by cascade.
    void write(int number) {
        const std::string n = std::to_string(number);
        const std::string fresh = std::to_string(1000 + 10 * number);
        sql().execute("BEGIN; INSERT INTO person (id, favourite, balance) VALUES (" + fresh + ", " + fresh +
                      ", 0); INSERT INTO orders VALUES (" + fresh + ", " + fresh +
                      ", 'new'); INSERT INTO item VALUES (" + fresh + ", " + fresh + ", " + fresh + ", 0); COMMIT");
        sql().execute("BEGIN; UPDATE person SET balance = balance - 7 WHERE id = " + n +
                      "; UPDATE item SET n = n + 7 WHERE id = " + n + "; COMMIT");
        sql().execute("DELETE FROM person WHERE id = 3" + n);
        sql().execute("UPDATE orders SET person = 1, note = note || '!' WHERE id = 2" + n);
        sql().execute("UPDATE orders SET id = 50" + n + " WHERE id = 1" + n);
    }

    void expect_back() {
        EXPECT_EQ(types(), all_integer);
        EXPECT_EQ(constraints(), keys_);
        EXPECT_EQ(identity(), identity_);
    }

    std::vector<std::string> fields(const std::string& name) {
        std::vector<std::string> all;
        for (const auto& job : job_list(db().uri())) {
            all.push_back(boost::json::serialize(job.at(name)));
        }
        return all;
    }

    static std::vector<std::string> three(const std::string& value) { return {value, value, value}; }

private:
    std::vector<std::string> keys_;
    std::string identity_;
};

TEST_F(group_revert, takes_all_tables_back_and_forth_with_their_keys) {
    run_revertible();
    EXPECT_EQ(fields("state"), three("\"done\""));
    EXPECT_EQ(fields("revertible"), three("true"));
    write(1);
    write(2);
    const std::string rows = digest();
    ASSERT_TRUE(exited(command("revert", {"3", "--check"}), 0));
    ASSERT_TRUE(exited(command("revert", {"2"}), 0));
    expect_back();
    EXPECT_EQ(digest(), rows);
    EXPECT_EQ(fields("state"), three("\"reverted\""));
    EXPECT_EQ(sql().number("SELECT count(DISTINCT swap_xid) FROM pgeist.jobs"), 1);
    write(3);
    const std::string again = digest();
    ASSERT_TRUE(exited(command("revert", {"1"}), 0));
    EXPECT_EQ(types(), all_bigint);
    EXPECT_EQ(digest(), again);
    EXPECT_EQ(fields("state"), three("\"done\""));
    write(4);
    const std::string last = digest();
    ASSERT_TRUE(exited(command("revert", {"3"}), 0));
    expect_back();
    EXPECT_EQ(digest(), last);
    EXPECT_TRUE(exited(command("cleanup", {"2"}), 0));
    expect_nothing_left();
}

// A row of one table that does not go back keeps all of them, and is named with its table.
// With a view over three of the tables, one of which is a partition.
TEST_F(group_revert, leads_views_and_a_partition_back_with_the_tables) {
    make("public");
    sql().execute(
        "CREATE TABLE log (id int, orders int, at int, what text, PRIMARY KEY (id, at)) PARTITION BY LIST (at);"
        "CREATE TABLE log_1 PARTITION OF log FOR VALUES IN (1); CREATE TABLE log_2 PARTITION OF log FOR VALUES IN (2);"
        "ALTER TABLE log_1 ADD CONSTRAINT of_order FOREIGN KEY (orders) REFERENCES orders;"
        "INSERT INTO log SELECT i, i, 1 + i % 2, 'x' || i FROM generate_series(1, 40) AS i;"
        "CREATE VIEW seen AS SELECT p.balance, o.note, l.what FROM person p, orders o, log_1 l WHERE o.note = 'note 2' "
        "AND l.what = 'x2'");
    note_state();
    const std::string shape =
        "SELECT pg_get_viewdef('seen'::regclass) || pg_get_expr(relpartbound, oid) || attstorage::text FROM pg_class "
        "JOIN "
        "pg_attribute ON attrelid = oid AND attname = 'what' WHERE oid = 'log_1'::regclass";
    const std::string before = sql().scalar(shape);
    std::vector<std::string> all = revertible({"--table", "log_1", "--alter", "ALTER what SET STORAGE EXTERNAL"});
    ASSERT_TRUE(exited(run_pgeist(db().uri(), all), 0));
    EXPECT_EQ(types(), all_bigint);
    EXPECT_NE(sql().scalar(shape), before);
    write(1);
    sql().execute(
        "INSERT INTO log VALUES (100, 7, 1, 'since'), (101, 7, 2, 'since'); UPDATE log SET what = 'x2' WHERE id = 4");
    const std::string rows = digest();
    ASSERT_TRUE(exited(command("revert", {"4"}), 0));
    expect_back();
    EXPECT_EQ(digest(), rows);
    EXPECT_EQ(sql().scalar(shape), before);
    EXPECT_EQ(sql().number("SELECT count(*) FROM log"), 42);
    EXPECT_EQ(sql().number("SELECT count(*) FROM seen"), 2 * sql().number("SELECT count(*) FROM person"));
    ASSERT_TRUE(exited(command("revert", {"1"}), 0));
    EXPECT_EQ(types(), all_bigint);
    EXPECT_NE(sql().scalar(shape), before);
    EXPECT_TRUE(exited(command("cleanup", {"4"}), 0));
    expect_nothing_left();
}

TEST_F(group_revert, is_refused_for_all_by_a_row_of_one) {
    run_revertible();
    write(1);
    sql().execute("UPDATE item SET n = 5000000000 WHERE id = 5");
    const run_result refused = command("revert", {"1"});
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_NE(refused.err.find("item"), std::string::npos) << refused.err;
    EXPECT_NE(refused.err.find("id = 5"), std::string::npos) << refused.err;
    EXPECT_EQ(types(), all_bigint);
    EXPECT_EQ(fields("revertible"), three("false"));
    EXPECT_EQ(fields("unfit"), (std::vector<std::string>{"0", "0", "1"}));
    sql().execute("UPDATE item SET n = 5 WHERE id = 5");
    ASSERT_TRUE(exited(command("revert", {"3"}), 0));
    expect_back();
}

TEST_F(group_revert, names_what_others_have_put_on_one) {
    run_revertible();
    sql().execute("CREATE INDEX others_own ON orders (note); CREATE INDEX others_too ON item (n)");
    const run_result refused = command("revert", {"1"});
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"others_own", "others_too"})) << "of all tables at once";
    EXPECT_EQ(types(), all_bigint);
    ASSERT_TRUE(exited(command("revert", {"1", "--lose", "others_own", "--lose", "others_too"}), 0));
    expect_back();
}

// Nobody else can be brought back with what is lost of one: capture ends for all of them, at once.
TEST_F(group_revert, ends_for_all_with_a_column_of_one) {
    const auto process = start_window();
    sql().execute("ALTER TABLE orders DROP COLUMN note");
    const run_result ended = process->finish();
    EXPECT_TRUE(exited(ended, 0));
    for (const std::string& why : fields("why_not_revertible")) {
        EXPECT_NE(why.find("column note"), std::string::npos) << why;
        EXPECT_NE(why.find("orders"), std::string::npos) << why;
    }
    EXPECT_TRUE(exited(command("revert", {"3"}), 3));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgeist%back%'"), 0) << ended.out;
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    expect_nothing_left();
}

TEST_F(group_revert, compares_and_reverts_while_the_window_is_open) {
    const auto process = start_window();
    write(1);
    EXPECT_TRUE(exited(command("verify", {"2"}), 0));
    EXPECT_EQ(fields("phase"), three("\"window\""));
    EXPECT_EQ(fields("pid_alive"), three("true"));
    write(2);
    sql().execute("TRUNCATE item");
    sql().execute("INSERT INTO item VALUES (3000000, 1, 1, 8)");
    const std::string rows = digest();
    ASSERT_TRUE(exited(command("revert", {"3"}), 0));
    EXPECT_TRUE(exited(process->finish(), 0));
    EXPECT_EQ(types(), all_integer);
    EXPECT_EQ(digest(), rows);
}

TEST_F(group_revert, goes_on_keeping_all_in_step_when_resumed) {
    auto process = start_window();
    process->kill_hard();
    process.reset();
    wait_for_end_of_sessions();
    write(1);
    pgeist_process resumed(db().uri(), {"resume", "2", "--output", "json"});
    resumed.wait_for_phase("window");
    wait_for("all changes to be brought to the tables that wait", [&] {
        return sql().number(
                   "SELECT (SELECT count(*) FROM pgeist_1_back.pgeist_log) + (SELECT count(*) FROM "
                   "pgeist_2_back.pgeist_log) + (SELECT count(*) FROM pgeist_3_back.pgeist_log)") == 0;
    });
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_1.person WHERE id = 1010"), 1);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_3.item WHERE id = 1010"), 1);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_2.orders WHERE person = 31"), 0);
    EXPECT_TRUE(exited(command("cleanup", {"3"}), 0));
    EXPECT_TRUE(exited(resumed.finish(), 0));
    expect_nothing_left();
}

/// The time of one table's window is over.
class group_window_ends : public group_revert {
protected:
    void end_window() {
        wait_for("all three windows to be noted", [&] {
            return sql().number("SELECT count(*) FROM pgeist.jobs WHERE revert ->> 'until' IS NOT NULL") == 3;
        });
        sql().execute(
            "UPDATE pgeist.jobs SET revert = revert || jsonb_build_object('until', clock_timestamp() - interval '1 s') "
            "WHERE id = 1");
    }

    void expect_given_up() {
        EXPECT_EQ(fields("revertible"), three("false"));
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'pgeist%back%'"), 0);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist%back'"), 0);
        EXPECT_EQ(types(), all_bigint);
        EXPECT_TRUE(exited(command("cleanup", {"2"}), 0));
        expect_nothing_left();
    }
};

// Nobody logs anything any more while another table is compared: that is no failure of the comparison's.
TEST_F(group_window_ends, while_another_table_is_compared) {
    const auto process = start_window();
    auto reader = db().connect();
    reader.execute("BEGIN; LOCK TABLE pgeist_3.item IN ACCESS EXCLUSIVE MODE");
    pgeist_process comparing(db().uri(), {"verify", "3", "--output", "json"});
    wait_for("the comparison of the last table", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'pgeist_3.item'::regclass") > 0;
    });
    end_window();
    wait_for("the end of all three ways",  // `pgeist status` would wait for the lock, too
             [&] { return sql().number("SELECT count(*) FROM pgeist.jobs WHERE revert ->> 'why_not' <> ''") == 3; });
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(process->finish(), 0));
    static_cast<void>(comparing.finish());
    expect_given_up();
}

TEST_F(group_window_ends, and_is_given_up_to_the_end_by_who_resumes) {
    make("public");
    note_state();
    tcp_proxy proxy(db().address());
    pgeist_process running(proxy.through(db().address()).uri(), revertible({"--revert-window", "1h"}));
    running.wait_for_phase("window");
    proxy.lay({"", "DROP SCHEMA IF EXISTS \"pgeist_2_back\"", fate::held});
    end_window();
    proxy.wait_for_ambush();
    running.kill_hard();
    proxy.drop_all();
    wait_for_end_of_sessions();
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist%back'"), 2);
    write(1);
    EXPECT_TRUE(exited(command("resume", {"1"}), 0));
    expect_given_up();
}

// Whoever has a snapshot of before sees all tables as they are in use then: the swap back waits for it.
TEST_F(group_revert, shows_one_definition_to_a_snapshot_of_before) {
    run_revertible();
    auto reader = db().connect();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM pg_class");
    write(1);  // after the snapshot: what is brought back is newer than it
    pgeist_process process(db().uri(), {"revert", "1", "--output", "json"});
    process.wait_for_event("the snapshot to be waited for",
                           [](const auto& event) { return event.at("event").as_string() == "lock_wait"; });
    EXPECT_EQ(reader.scalar("SELECT pg_typeof((SELECT id FROM person LIMIT 1))::text || pg_typeof((SELECT person FROM "
                            "orders LIMIT 1)) || pg_typeof((SELECT orders FROM item LIMIT 1))"),
              "bigintbigintbigint");
    EXPECT_EQ(reader.number("SELECT count(*) FROM orders o LEFT JOIN person p ON p.id = o.person WHERE p.id IS NULL"),
              0);
    EXPECT_EQ(reader.number("SELECT count(*) FROM person"), 40);
    reader.execute("COMMIT");
    EXPECT_TRUE(exited(process.finish(), 0));
    expect_back();
}

/// Where the swap back is killed.
struct kill_point {
    const char* name;
    const char* after;
    const char* text;
    fate what;
};

void PrintTo(const kill_point& value, std::ostream* out) { *out << value.name; }

class group_revert_killed : public group_revert, public ::testing::WithParamInterface<kill_point> {};

TEST_P(group_revert_killed, swaps_all_back_or_none) {
    run_revertible();
    write(1);
    const std::string rows = digest();
    tcp_proxy proxy(db().address());
    proxy.lay({GetParam().after, GetParam().text, GetParam().what});
    pgeist_process running(proxy.through(db().address()).uri(), {"revert", "2", "--output", "json"});
    proxy.wait_for_ambush();
    running.kill_hard();
    proxy.drop_all();
    wait_for_end_of_sessions();
    const std::string now = types();
    EXPECT_TRUE(now == all_bigint || now == all_integer) << now;
    EXPECT_EQ(digest(), rows);
    if (now == all_bigint) {
        EXPECT_TRUE(exited(command("revert", {"3"}), 0));
    } else {
        EXPECT_TRUE(exited(command("resume", {"3"}), 0));
    }
    expect_back();
    EXPECT_EQ(digest(), rows);
    EXPECT_EQ(fields("state"), three("\"reverted\""));
    write(2);
    const std::string again = digest();
    ASSERT_TRUE(exited(command("revert", {"1"}), 0));
    EXPECT_EQ(types(), all_bigint);
    EXPECT_EQ(digest(), again);
}

INSTANTIATE_TEST_SUITE_P(
    named, group_revert_killed,
    ::testing::Values(kill_point{"between_two_plans", "SET way_back = $3", "SET way_back = $3", fate::held},
                      kill_point{"before_the_exchange", "", "SET SCHEMA", fate::held},
                      kill_point{"before_the_commit", swap_noted, "COMMIT", fate::held},
                      kill_point{"after_the_commit", swap_noted, "COMMIT", fate::answer_lost},
                      kill_point{"between_two_that_rest", "", "\"why_not\": null", fate::answer_lost}),
    [](const auto& one) { return std::string(one.param.name); });

/// An application session beside the swap back: writes to all tables in one transaction, and to twins that no run
/// touches. Its rows are nobody else's.
class group_writer {
public:
    group_writer(const test_database& db, int number, unsigned seed, int made)
        : sql_(db.connect()), number_(number), chance_(seed), made_(made) {}

    void run(const std::atomic<bool>& stop) {
        static const char* const levels[] = {"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"};
        while (!stop && problem.empty()) {
            const std::string what = statements();
            const std::string all = std::string("BEGIN ISOLATION LEVEL ") + levels[pick(3)] +
                                    "; SET LOCAL search_path TO public; " + what + " SET LOCAL search_path TO twin; " +
                                    what + " COMMIT";
            problem = commit_once(sql_, all);
            ++done;
            sql_.execute("SELECT pg_sleep(0.01)");
        }
    }

    std::string problem;
    int done = 0;

private:
    // A REPEATABLE READ transaction that waits for the swap may miss a row of the last drain (docs/locks.md): families
    // that are changed are no fresh ones.
    static constexpr int older = 8;

    int pick(int most) { return static_cast<int>(chance_() % static_cast<unsigned>(most)); }
    std::string one() { return std::to_string(pick(20) * 2 + number_ + 1); }

    std::string statements() {
        const int what = pick(6);
        const std::string fresh = std::to_string(1000 + 2 * (what == 1 ? ++made_ : made_ - older - pick(4)) + number_);
        const std::string a = one();
        const std::string b = one();
        const std::string n = std::to_string(1 + pick(5));
        switch (what) {
            case 0:  // between two tables
                return "UPDATE person SET balance = balance - " + n + " WHERE id = " + a +
                       "; UPDATE item SET n = n + " + n + " WHERE id = " + b + ";";
            case 1:  // a family at once, with a cycle
                return "INSERT INTO person (id, favourite, balance) VALUES (" + fresh + ", " + fresh +
                       ", 0); INSERT INTO orders VALUES (" + fresh + ", " + fresh +
                       ", 'new'); INSERT INTO item VALUES (" + fresh + ", " + fresh + ", " + fresh + ", 0);";
            case 2:  // and away by cascade
                return "DELETE FROM person WHERE id = " + fresh + ";";
            case 3:  // to another parent
                return "UPDATE orders SET person = " + b + " WHERE id = " + a + ";";
            case 4:  // ON UPDATE CASCADE
                return "UPDATE orders SET id = " + fresh + " + 500000 WHERE id = " + fresh + ";";
            default:
                return "UPDATE person SET boss = " + b + " WHERE id = " + a + ";";
        }
    }

    sync_connection sql_;
    int number_;
    std::mt19937 chance_;
    int made_;
};

class group_revert_oracle : public group_revert {
protected:
    /// Writers and readers are at work while the tables change places.
    void revert_under_load(unsigned seed, int made) {
        std::vector<std::unique_ptr<group_writer>> writing;
        for (int number = 0; number < 2; ++number) {
            writing.push_back(std::make_unique<group_writer>(db(), number, seed + static_cast<unsigned>(number), made));
        }
        beside_the_swap<group_writer> others(db(), std::move(writing), {"integerintegerinteger", "bigintbigintbigint"});
        const run_result reverted = command("revert", {"2"});
        others.end_well();
        EXPECT_TRUE(exited(reverted, 0));
    }
};

TEST_F(group_revert_oracle, shows_all_tables_of_one_moment_and_loses_nothing) {
    sql().execute("CREATE SCHEMA twin");
    make("twin");
    run_revertible();
    const unsigned seed = std::random_device{}();
    std::cout << "seed " << seed << std::endl;
    SCOPED_TRACE(seed);
    revert_under_load(seed, 0);
    expect_back();
    EXPECT_EQ(digest(), digest("twin"));
    revert_under_load(seed + 7, 20000);
    EXPECT_EQ(types(), all_bigint);
    EXPECT_EQ(digest(), digest("twin"));
}

}  // namespace
}  // namespace pgeist::test
