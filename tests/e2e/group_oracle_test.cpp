// Several tables, one swap, under writers and readers that look at all of them at once: transactions that write parents
// and children, move amounts from one table to another, move children to other parents, and delete by cascade. Twins
// that no run touches get the same statements in the same transactions.

#include <gtest/gtest.h>

#include <atomic>
#include <iostream>
#include <random>

#include "e2e/beside_the_swap.hpp"
#include "e2e/group_test.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

constexpr int persons = 60;
constexpr int writers = 2;

std::string key(int kind, int number) {
    std::string text = std::to_string(number);
    return "'0000000" + std::to_string(kind) + "-0000-4000-8000-" + std::string(12 - text.size(), '0') + text + "'";
}

/// One application session; its rows are nobody else's, so that no two of them can be in a deadlock.
class writer {
public:
    writer(const test_database& db, int number, unsigned seed) : sql_(db.connect()), number_(number), chance_(seed) {}

    void run(const std::atomic<bool>& stop) {
        while (!stop && problem.empty()) {
            one_transaction();
        }
    }

    std::string problem;
    int done = 0;

private:
    int pick(int most) { return static_cast<int>(chance_() % static_cast<unsigned>(most)); }
    /// One of the first persons, which stay.
    int lasting() { return pick(persons / writers) * writers + number_ + 1; }

    std::string statements(const std::string& schema, int what, int a, int b, int amount, int fresh) const {
        const std::string person = schema + ".person";
        const std::string orders = schema + ".orders";
        const std::string item = schema + ".item";
        const std::string n = std::to_string(amount);
        switch (what) {
            case 0:  // between two tables
                return "UPDATE " + person + " SET balance = balance - " + n + " WHERE id = " + key(1, a) + "; UPDATE " +
                       item + " SET n = n + " + n + " WHERE id = " + key(3, b) + ";";
            case 1:  // a family at once, with a cycle
                return "INSERT INTO " + person + " (id, favourite, balance) VALUES (" + key(1, fresh) + ", " +
                       key(2, fresh) + ", 0); INSERT INTO " + orders + " VALUES (" + key(2, fresh) + ", " +
                       key(1, fresh) + ", 'new'); INSERT INTO " + item + " VALUES (" + key(3, 2 * fresh) + ", " +
                       key(2, fresh) + ", " + key(1, fresh) + ", 0), (" + key(3, 2 * fresh + 1) + ", " + key(2, fresh) +
                       ", NULL, 0);";
            case 2:  // and away by cascade
                return "DELETE FROM " + person + " WHERE id = " + key(1, fresh) + ";";
            case 3:  // to another parent
                return "UPDATE " + orders + " SET person = " + key(1, b) + " WHERE id = " + key(2, a) + ";";
            case 4:  // ON UPDATE CASCADE
                return "UPDATE " + orders + " SET id = " + key(2, fresh + 500000) + " WHERE id = " + key(2, fresh) +
                       ";";
            default:
                return "UPDATE " + person + " SET boss = " + key(1, b) + " WHERE id = " + key(1, a) + ";";
        }
    }

    void one_transaction() {
        static const char* const levels[] = {"READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"};
        const int what = pick(6);
        const int fresh = 1000 + (what == 1 ? ++made_ : made_ - pick(4)) * writers + number_;
        const int a = lasting();
        const int b = lasting();
        const int amount = 1 + pick(5);
        const std::string all = std::string("BEGIN ISOLATION LEVEL ") + levels[pick(3)] + "; " +
                                statements("public", what, a, b, amount, fresh) +
                                statements("twin", what, a, b, amount, fresh) + " COMMIT";
        problem = commit_once(sql_, all);
        ++done;
        sql_.execute("SELECT pg_sleep(0.01)");
    }

    sync_connection sql_;
    int number_;
    std::mt19937 chance_;
    int made_ = 0;
};

class group_oracle : public group_test {
protected:
    void make_twins() {
        make_tables(persons);
        sql().execute(
            "CREATE SCHEMA twin;"
            "CREATE TABLE twin.person (id text PRIMARY KEY, boss text REFERENCES twin.person, favourite text, balance "
            "int "
            "NOT NULL DEFAULT 100);"
            "CREATE TABLE twin.orders (id text PRIMARY KEY, person text NOT NULL REFERENCES twin.person ON DELETE "
            "CASCADE, "
            "note text);"
            "CREATE TABLE twin.item (id text PRIMARY KEY, orders text REFERENCES twin.orders ON DELETE CASCADE ON "
            "UPDATE "
            "CASCADE, person text REFERENCES twin.person ON DELETE SET NULL, n int);"
            "CREATE INDEX ON twin.orders (person); CREATE INDEX ON twin.item (orders); CREATE INDEX ON twin.item "
            "(person);"
            "CREATE INDEX ON twin.person (boss); CREATE INDEX ON public.person (boss);"
            "INSERT INTO twin.person SELECT * FROM public.person; INSERT INTO twin.orders SELECT * FROM public.orders;"
            "INSERT INTO twin.item SELECT * FROM public.item;"
            "ALTER TABLE twin.person ADD FOREIGN KEY (favourite) REFERENCES twin.orders ON DELETE SET NULL DEFERRABLE "
            "INITIALLY DEFERRED");
        // ON UPDATE CASCADE of an order must not be refused by who has it as favourite.
        sql().execute(
            "ALTER TABLE public.person DROP CONSTRAINT favourite, ADD CONSTRAINT favourite FOREIGN KEY (favourite) "
            "REFERENCES public.orders ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED;"
            "ALTER TABLE twin.person DROP CONSTRAINT person_favourite_fkey, ADD FOREIGN KEY (favourite) REFERENCES "
            "twin.orders ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE INITIALLY DEFERRED");
    }

    long long rows_that_differ() {
        return sql().number(
                   "SELECT count(*) FROM ((SELECT p::text FROM public.person p UNION ALL SELECT o::text FROM "
                   "public.orders o UNION "
                   "ALL SELECT i::text FROM public.item i) EXCEPT (SELECT p::text FROM twin.person p UNION ALL SELECT "
                   "o::text "
                   "FROM twin.orders o UNION ALL SELECT i::text FROM twin.item i)) AS more") +
               sql().number(
                   "SELECT (SELECT count(*) FROM twin.person) + (SELECT count(*) FROM twin.orders) + (SELECT count(*) "
                   "FROM twin.item) - (SELECT count(*) FROM public.person) - (SELECT count(*) FROM public.orders) - "
                   "(SELECT count(*) FROM public.item)");
    }
};

TEST_F(group_oracle, shows_all_tables_of_one_moment_to_every_isolation_level) {
    make_twins();
    const unsigned seed = std::random_device{}();
    std::cout << "seed " << seed << std::endl;
    SCOPED_TRACE(seed);
    std::vector<std::unique_ptr<writer>> writing;
    for (int number = 0; number < writers; ++number) {
        writing.push_back(std::make_unique<writer>(db(), number, seed + static_cast<unsigned>(number)));
    }
    beside_the_swap<writer> others(db(), std::move(writing), {"texttexttext", "uuiduuiduuid"});
    const run_result there = run_group();
    others.end_well();
    EXPECT_TRUE(exited(there, 0));
    EXPECT_EQ(rows_that_differ(), 0);
}

}  // namespace
}  // namespace pgeist::test
