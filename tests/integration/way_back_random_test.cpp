// Luck: writers write to the new table all that can be written, and the same to a model that knows what the old table
// should hold for it; replay goes on beside. PGEIST_SEED repeats a run as far as the writers' choices go.

#include <atomic>
#include <random>
#include <thread>

#include "pgeist/transfer/capture/capture.hpp"
#include "pgeist/transfer/replay/truncated.hpp"
#include "support/workload.hpp"
#include "way_back_fixture.hpp"

namespace pgeist::test {
namespace {

/// One writer. Each transaction does to the model, table `m`, what it does to the new table.
class random_writer {
public:
    random_writer(const std::string& uri, std::uint64_t seed, bool truncates)
        : connection_(uri), random_(seed), truncates_(truncates) {}

    void transactions(int count) {
        for (int number = 0; number < count; ++number) {
            try {
                // One snapshot for both: or the model would meet rows that the table did not.
                connection_.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
                const long long steps = pick(1, 4);
                for (long long step = 0; step < steps; ++step) {
                    one_step();
                }
                connection_.execute(pick(0, 9) == 0 ? "ROLLBACK" : "COMMIT");
            } catch (const sql_error& problem) {
                connection_.execute("ROLLBACK");
                if (problem.sqlstate() != "23505" && problem.sqlstate() != "40P01" && problem.sqlstate() != "40001") {
                    failures_ += std::string(problem.what()) + "\n";
                }
            }
        }
    }

    [[nodiscard]] const std::string& failures() const { return failures_; }

private:
    long long pick(long long from, long long to) { return std::uniform_int_distribution<long long>(from, to)(random_); }
    std::string key() { return std::to_string(pick(0, 40) == 0 ? 3'000'000'000 + pick(1, 3) : pick(1, 60)); }
    std::string title() {
        const std::string letter(1, static_cast<char>('a' + pick(0, 25)));
        return pick(0, 12) == 0   ? "'" + letter + "too long'"
               : pick(0, 20) == 0 ? "'" + letter + "1234567  '"
                                  : "'" + letter + "'";
    }
    std::string price() { return std::to_string(pick(0, 6)); }
    std::string unique() {
        return pick(0, 25) == 0 ? "3000000000" : pick(0, 3) == 0 ? "NULL" : std::to_string(pick(1, 200));
    }

    void both(const std::string& to_new, const std::string& to_model) {
        const long long rows = connection_.query(to_new).affected;
        if (connection_.query(to_model).affected != rows) {
            failures_ += "the model is wrong: " + to_model + "\n";
        }
    }

    std::string tag() { return "'tag " + std::to_string(pick(0, 3)) + "'"; }

    std::string row_of(const std::string& id) {
        return " (id, title, price, u, tag, r) VALUES (" + id + ", " + title() + ", " + price() + ", " + unique() +
               ", " + tag() + ", " + std::to_string(pick(0, 5)) + ")";
    }

    void insert(const std::string& id) {
        const std::string row = row_of(id);
        both("INSERT INTO n" + row, "INSERT INTO m" + row);
    }

    void update(const std::string& set, const std::string& where, const std::string& touched = "touched") {
        both("UPDATE n SET " + set + " WHERE " + where,
             "UPDATE m SET " + set + ", touched = " + touched + " WHERE " + where);
    }

    void rekey(const std::string& from, const std::string& to) { update("id = " + to, "id = " + from); }

    void one_step() {
        const std::string id = key();
        switch (pick(0, 18)) {
            case 0:
            case 1:
                return insert(id);
            case 2:
                return both("DELETE FROM n WHERE id = " + id, "DELETE FROM m WHERE id = " + id);
            case 3:
                both("DELETE FROM n WHERE id = " + id, "DELETE FROM m WHERE id = " + id);
                return insert(id);
            case 4:
            case 5: {
                const std::string row = row_of(id) +
                                        " ON CONFLICT (id) DO UPDATE SET title = excluded.title, tag = "
                                        "excluded.tag";
                return both("INSERT INTO n" + row,
                            "INSERT INTO m" + row + ", tagged = m.tagged OR m.tag <> excluded.tag");
            }
            case 6:
                return rekey(id, key());
            case 7: {
                const std::string over = key();
                rekey(id, over);
                return rekey(over, key());
            }
            case 8: {  // two change keys
                const std::string other = key();
                rekey(id, "-1");
                rekey(other, id);
                return rekey("-1", other);
            }
            case 9: {  // a unique value changes places
                const std::string other = key();
                return update("u = 400 - u", "u BETWEEN 190 AND 210 OR id IN (" + id + ", " + other + ") AND u <= 200");
            }
            case 10:
                return update("u = " + unique(), "id = " + id);
            case 11: {
                const std::string next = price();
                return update("price = " + next, "id = " + id, "touched OR price <> " + next);
            }
            case 12:
                return update("title = " + title(), "id = " + id);
            case 13:
                return update("id = id + 61", "id BETWEEN " + id + " AND " + id + " + 2");
            case 14:
                connection_.execute("SAVEPOINT a");
                rekey(id, "-2");
                return connection_.execute("ROLLBACK TO SAVEPOINT a");
            case 15: {
                const std::string next = tag();
                return both("UPDATE n SET tag = " + next + " WHERE id = " + id,
                            "UPDATE m SET tag = " + next + ", tagged = tagged OR tag <> " + next + " WHERE id = " + id);
            }
            case 16:
                return both("UPDATE n SET r = r + 1 WHERE id = " + id,
                            "UPDATE m SET r = r + 1, turned = true WHERE id = " + id);
            case 17: {  // there and back within one transaction, with its key
                const std::string other = key();
                both("UPDATE n SET tag = 'away', id = -3 WHERE id = " + id,
                     "UPDATE m SET tag = 'away', tagged = true, id = -3 WHERE id = " + id);
                return rekey("-3", other);
            }
            default:
                if (truncates_ && pick(0, 60) == 0) {
                    connection_.execute("TRUNCATE n; TRUNCATE m");
                    return;
                }
                return update("title = title", "id = " + id);
        }
    }

    sync_connection connection_;
    std::mt19937_64 random_;
    bool truncates_;
    std::string failures_;
};

class way_back_by_luck : public way_back_test {
protected:
    void start() {
        sql().execute(
            "CREATE TABLE o (id int PRIMARY KEY, name varchar(8), price numeric(8,2), u int UNIQUE, secret text "
            "DEFAULT 'none', tag text, r int, note text NOT NULL);"
            "CREATE TABLE n (id bigint PRIMARY KEY, title text, price int, u bigint, tag text, r int);"
            "INSERT INTO o SELECT i, 'o' || i, i + i / 100.0, i, 'secret ' || i, 'old tag ' || i, i, 'note ' || i FROM "
            "generate_series(1, 50) AS i;"
            "CREATE TABLE m (id bigint PRIMARY KEY, title text, price int, u bigint, secret text DEFAULT 'none', "
            "before numeric, touched bool DEFAULT false, tag text, tagged bool DEFAULT false, tag_before text, r int, "
            "turned bool DEFAULT false, r_before int, note text);"
            "INSERT INTO m SELECT id, name, price, u, secret, price, false, NULL, false, tag, NULL, false, r, note "
            "FROM o");
        begin({{"id", "id", ""},
               {"title", "name", ""},
               {"price", "price", ""},
               {"u", "u", ""},
               {"tag", "tag", R"(concat("name", '/', "u", '/', "price"))"},
               {"r", "r", R"("r" + (random() * 100)::int)", false}},
              {{"note", R"(concat("title", "u", "tag"))"}});
        sql().execute("UPDATE m SET tag = n.tag, r = n.r FROM n WHERE n.id = m.id");
    }

    bool one_pass(int sessions) {
        const bool truncated = await(capture::truncations(session(), spec())) > 0;
        if (truncated) {
            await(replay::begin_anew(parts()));
        }
        replay::replayer changes(parts(), sessions);
        try {
            await(changes.pass());
        } catch (const transfer::source_truncated&) {
            return false;  // since it was asked for
        }
        return log_rows() == 0 && await(capture::truncations(session(), spec())) == 0;
    }

    void expect_model() {
        sql().execute(
            "CREATE TEMP VIEW fitting AS SELECT m.* FROM (SELECT m.*, count(*) FILTER (WHERE fits) OVER (PARTITION BY "
            "u, fits) AS "
            "same FROM (SELECT m.*, coalesce(length(title) <= 8, true) AND id < 2000000000 AND coalesce(u < "
            "2000000000, true) AS "
            "fits FROM m) AS m) AS m WHERE fits AND (u IS NULL OR same = 1)");
        EXPECT_EQ(
            sql().scalar(
                "SELECT coalesce(string_agg(format('%s: %s', k1, reason), E'\\n'), '') FROM back.pgeist_unfit AS x "
                "WHERE k1 IN (SELECT id FROM fitting) OR k1 NOT IN (SELECT id FROM m)"),
            "")
            << "rows that fit are set apart";
        EXPECT_EQ(
            sql().scalar(
                "SELECT coalesce(string_agg(id::text, ' '), '') FROM m WHERE id NOT IN (SELECT id FROM fitting) AND "
                "id NOT IN (SELECT k1 FROM back.pgeist_unfit)"),
            "")
            << "rows that do not fit are not set apart";
        EXPECT_EQ(sql().scalar("SELECT coalesce(string_agg(format('old %s, model %s', o, f), E'\\n'), '') FROM o FULL "
                               "JOIN fitting AS f ON o.id "
                               "= f.id WHERE o.id IS NULL OR f.id IS NULL OR ROW(o.name, o.u, o.secret) IS DISTINCT "
                               "FROM ROW(f.title, f.u, "
                               "f.secret) OR o.price::text <> CASE WHEN f.before IS NULL OR f.touched THEN f.price || "
                               "'.00' ELSE f.before::numeric(8,2)::text END OR o.tag IS DISTINCT FROM CASE WHEN "
                               "f.before IS NULL OR f.tagged THEN f.tag ELSE f.tag_before END OR o.r IS DISTINCT FROM "
                               "CASE WHEN f.before IS NULL OR f.turned THEN f.r ELSE f.r_before END OR o.note IS "
                               "DISTINCT FROM CASE WHEN f.before IS NULL THEN concat(f.title, f.u, f.tag) ELSE f.note "
                               "END"),
                  "");
        sql().execute("DROP VIEW fitting");
    }

    void live(bool truncates) {
        const std::uint64_t seed = workload_seed();
        start();
        std::vector<std::unique_ptr<random_writer>> writers;
        std::vector<std::jthread> threads;
        std::atomic<int> at_work{3};
        for (int number = 0; number < 3; ++number) {
            writers.push_back(
                std::make_unique<random_writer>(db().uri(), seed + static_cast<std::uint64_t>(number), truncates));
            random_writer* writer = writers.back().get();
            threads.emplace_back([writer, &at_work] {
                writer->transactions(400);
                --at_work;
            });
        }
        int passes = 0;
        while (at_work > 0) {
            one_pass(1 + passes++ % 3);
        }
        threads.clear();
        for (int tries = 0; tries < 10 && !one_pass(1); ++tries) {
        }
        for (const auto& writer : writers) {
            EXPECT_EQ(writer->failures(), "");
        }
        expect_model();
        compare();
        sql().execute(
            "UPDATE n SET title = left(title, 1), u = NULL; UPDATE m SET title = left(title, 1), u = NULL; DELETE FROM "
            "n WHERE id > "
            "2000000000; DELETE FROM m WHERE id > 2000000000");
        one_pass(1);
        EXPECT_EQ(unfit(), std::vector<std::string>());
        expect_model();
        compare();
    }
};

TEST_F(way_back_by_luck, TheOldTableIsWhatTheModelSays) { live(false); }

TEST_F(way_back_by_luck, AlsoWhereTheTableIsTruncatedNowAndThen) { live(true); }

TEST_F(way_back_by_luck, AlsoByRowTriggers) {
    row_triggers_ = true;
    live(true);
}

}  // namespace
}  // namespace pgeist::test
