// Rows filled, and columns kept in step, beside writers in sessions of their own: what each of them must find after its
// statement, and what must stand in the table at the end. Killed on the way, at moments that the seed chooses.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

using randomness = std::mt19937_64;

int pick(randomness& random, int below) { return static_cast<int>(random() % static_cast<unsigned>(below)); }

/// Sessions that write until they are stopped, each in a thread; each connects anew now and then, as an application
/// that is deployed.
class writers {
public:
    /// One transaction, committed when it returns. Throws std::runtime_error for what must not be.
    using transaction = std::function<void(sync_connection&, randomness&)>;

    explicit writers(std::string uri) : uri_(std::move(uri)) {}
    ~writers() { static_cast<void>(stop()); }
    writers(const writers&) = delete;
    writers& operator=(const writers&) = delete;

    void add(std::uint64_t seed, transaction one) {
        threads_.emplace_back([this, seed, one = std::move(one)](const std::stop_token& stop) {
            randomness random(seed);
            while (!stop.stop_requested() && failures().empty()) {
                write(stop, random, one);
            }
        });
    }
    void wait_for_more(long long transactions) const {
        const long long wanted = committed_.load() + transactions;
        wait_for("writers to commit", [&] { return committed_.load() >= wanted || !failures().empty(); });
    }
    /// @returns what went wrong
    std::vector<std::string> stop() {
        threads_.clear();
        return failures();
    }

private:
    void write(const std::stop_token& stop, randomness& random, const transaction& one) {
        sync_connection session(uri_);
        const std::vector<std::string> levels{"READ COMMITTED", "READ COMMITTED", "REPEATABLE READ", "SERIALIZABLE"};
        const std::string& level = levels[static_cast<std::size_t>(pick(random, 4))];
        session.execute("SET lock_timeout = '5s'");  // nobody is kept waiting for so long
        if (pick(random, 4) == 0) {
            session.execute("SET session_replication_role = replica");
        }
        for (int left = 40; left > 0 && !stop.stop_requested(); --left) {
            session.execute("BEGIN ISOLATION LEVEL " + level);
            try {
                one(session, random);
                session.execute("COMMIT");
                ++committed_;
            } catch (const sql_error& problem) {
                session.execute("ROLLBACK");
                // Those above READ COMMITTED must expect it, also of each other.
                if (problem.sqlstate() != "40001" || level == "READ COMMITTED") {
                    note(problem.sqlstate() + ": " + problem.what());
                }
            } catch (const std::exception& wrong) {
                session.execute("ROLLBACK");
                note(wrong.what());
            }
        }
    }
    void note(std::string what) {
        const std::lock_guard lock(mutex_);
        failures_.push_back(std::move(what));
    }
    std::vector<std::string> failures() const {
        const std::lock_guard lock(mutex_);
        return failures_;
    }

    std::string uri_;
    std::atomic<long long> committed_{0};
    mutable std::mutex mutex_;
    std::vector<std::string> failures_;
    std::vector<std::jthread> threads_;
};

class in_place_oracle : public run_test {
protected:
    /// Runs the command, kills it some times while it is at work, and goes on each time.
    /// @param begun called when rows are being filled
    void run_with_kills(std::vector<std::string> arguments, randomness& random, writers& beside,
                        const std::function<void()>& begun = {}) {
        arguments.insert(arguments.end(), {"--output", "json", "--chunk-rows", "50", "--max-rate", "300"});
        auto run = std::make_unique<pgeist_process>(db().uri(), arguments);
        run->wait_for_phase("backfill");
        if (begun) {
            begun();
        }
        for (const char* rate : {"300", "off"}) {
            beside.wait_for_more(20 + pick(random, 60));
            run->kill_hard();
            beside.wait_for_more(10);
            const auto job = only_job(db().uri());
            if (text_of(job, "state") == "done") {
                return;
            }
            std::vector<std::string> again{"resume", text_of(job, "job"), "--output", "json", "--max-rate", rate};
            run = std::make_unique<pgeist_process>(db().uri(), again);
        }
        ASSERT_TRUE(exited(run->finish(), 0));
    }
};

/// The application of the backfill: `n` is what the new value is made of; each value that a row has ever had is noted.
void one_of_backfill(sync_connection& session, randomness& random) {
    const std::string uid = std::to_string(1 + pick(random, 1000));
    const std::string n = std::to_string(pick(random, 1'000'000));
    const std::string note = "INSERT INTO history VALUES ($1, $2)";
    switch (pick(random, 6)) {
        case 0:
        case 1:
            if (session.query("UPDATE t SET n = $2 WHERE uid = $1", {uid, n}).affected == 1) {
                session.query(note, {uid, n});
            }
            break;
        case 2:
            session.query("UPDATE t SET other = other + 1 WHERE uid = $1", {uid});
            session.query("INSERT INTO written VALUES ($1)", {uid});
            break;
        case 3:  // to where the walk may have been already, or not yet
            session.query("UPDATE t SET id = -id WHERE uid = $1", {uid});
            session.query("INSERT INTO written VALUES ($1)", {uid});
            break;
        case 4: {
            const std::string made = session.scalar("SELECT nextval('uids')");
            session.query("INSERT INTO t (id, uid, n, other) VALUES ($1, $1, $2, 0)", {made, n});
            session.query(note, {made, n});
            break;
        }
        default:
            session.query("DELETE FROM t WHERE uid = $1 AND uid % 7 = 0", {uid});
    }
}

TEST_F(in_place_oracle, backfill_gives_each_row_its_value_and_no_other) {
    const std::uint64_t seed = workload_seed();
    randomness random(seed);
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, uid int UNIQUE, n int, other int DEFAULT 0, label text) WITH (autovacuum_enabled = off);
        CREATE TABLE history (uid int, n int); CREATE TABLE written (uid int);
        CREATE SEQUENCE uids START 10000;
        INSERT INTO t SELECT i, i, i, 0, CASE WHEN i % 4 = 0 THEN 'n' || i END FROM generate_series(1, 3000) AS i;
        INSERT INTO history SELECT uid, n FROM t; ANALYZE t;
        CREATE TABLE right_before AS SELECT uid, xmin::text AS x FROM t WHERE label IS NOT NULL)");
    writers beside(db().uri());
    for (int writer = 0; writer < 3; ++writer) {
        beside.add(random(), one_of_backfill);
    }
    run_with_kills({"backfill", "--table", "t", "--set", "label = 'n' || n"}, random, beside);
    EXPECT_EQ(beside.stop(), std::vector<std::string>{}) << "seed " << seed;
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE label IS NOT NULL AND NOT EXISTS (SELECT FROM history h WHERE "
                           "h.uid = t.uid AND label = 'n' || h.n)"),
              0)
        << "a value that was never right; seed " << seed;
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM t WHERE label IS DISTINCT FROM 'n' || n AND uid NOT IN (SELECT uid FROM "
                     "written) AND (SELECT count(*) FROM history h WHERE h.uid = t.uid) = 1 AND uid < 10000"),
        0)
        << "a row that nobody has written; seed " << seed;
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM t JOIN right_before b USING (uid) WHERE t.xmin::text <> b.x AND uid NOT "
                     "IN (SELECT uid FROM written) AND (SELECT count(*) FROM history h WHERE h.uid = t.uid) = 1"),
        0)
        << "a row that was right is written; seed " << seed;
}

// ---- expand

using number = std::optional<long long>;

number up(number total) { return total; }
number down(number total_big) { return total_big ? number(std::min<long long>(*total_big, 2147483647)) : number(); }

field text_of_number(number value) { return value ? field(std::to_string(*value)) : field(); }

number number_of_field(const field& text) { return text ? number(std::stoll(*text)) : number(); }

/// Both sides of a row.
struct sides {
    number total;
    number total_big;
};

/// What the rule says becomes of a row. @param given what the statement sets
sides judged(sides before, std::optional<number> total, std::optional<number> total_big, bool is_insert,
             bool new_wins) {
    if (!is_insert && !before.total_big) {
        before.total_big = up(before.total);  // as if it had been filled
        if (total_big && !*total_big) {
            total_big.reset();  // what was NULL and is NULL was not given
        }
    }
    sides now{total.value_or(before.total), total_big.value_or(before.total_big)};
    const bool old_given = now.total != before.total;
    const bool new_given = now.total_big != before.total_big;
    if ((!is_insert && !old_given && !new_given) || now.total_big == up(now.total)) {
        return now;
    }
    if (new_given && !old_given) {
        now.total = down(now.total_big);
    } else if (!new_given || (now.total != down(now.total_big) && !new_wins)) {
        now.total_big = up(now.total);
    } else if (now.total != down(now.total_big)) {
        now.total = down(now.total_big);
    }
    return now;
}

/// Old and new version of the application. Each statement is followed by a look at its row, in its own transaction, and
/// by a note of what the row must be from now on.
class expand_application {
public:
    expand_application(bool knows_old, bool knows_new, bool new_wins)
        : knows_old_(knows_old), knows_new_(knows_new), new_wins_(new_wins) {}

    void operator()(sync_connection& session, randomness& random) const {
        const int id = 1 + pick(random, 600);
        const std::string key = std::to_string(id);
        const std::string seen = knows_new_ ? "total_big" : "NULL::bigint";
        const std::string old_seen = knows_old_ ? "total" : "NULL::int";
        const auto found =
            session.query("SELECT " + old_seen + ", " + seen + " FROM t WHERE id = $1 FOR UPDATE", {key}).rows;
        if (found.empty()) {
            insert(session, random, key);
        } else if (pick(random, 12) == 0) {
            session.query("DELETE FROM t WHERE id = $1", {key});
            session.query("DELETE FROM truth WHERE id = $1", {key});
        } else if (pick(random, 12) == 0) {
            move(session, random, key);
        } else {
            update(session, random, key, {number_of_field(found[0][0]), number_of_field(found[0][1])});
        }
    }

private:
    number value(randomness& random) const {
        const int kind = pick(random, 8);
        if (kind == 0) {
            return {};
        }
        // The old version cannot hold what the new one may write.
        return kind == 1 && knows_new_ ? 3'000'000'000LL + pick(random, 1000) : pick(random, 1000);
    }
    static number small(number value) { return down(value); }

    void insert(sync_connection& session, randomness& random, const std::string& key) const {
        const bool old_named = knows_old_ && pick(random, 2) == 0;
        const bool new_named = knows_new_ && pick(random, 2) == 0;
        const number given_old = small(value(random));
        const number given_new = value(random);
        std::string columns = "id";
        std::string values = "$1";
        std::vector<field> parameters{key};
        const auto name = [&](const char* column, number given) {
            parameters.push_back(text_of_number(given));
            columns += std::string(", ") + column;
            values += ", $" + std::to_string(parameters.size());
        };
        if (old_named) {
            name("total", given_old);
        }
        if (new_named) {
            name("total_big", given_new);
        }
        const bool upsert = pick(random, 2) == 0;
        const std::string tail = upsert ? " ON CONFLICT (id) DO UPDATE SET note = 'upsert'" : " ON CONFLICT DO NOTHING";
        const auto done = session.query(
            "INSERT INTO t (" + columns + ") VALUES (" + values + ")" + tail + " RETURNING xmax", parameters);
        if (done.rows.empty() || *done.rows[0][0] != "0") {
            return;  // somebody else has made it meanwhile
        }
        const sides start{0, 0};
        check(session, key,
              judged(start, old_named ? std::optional<number>(given_old) : std::nullopt,
                     new_named ? std::optional<number>(given_new) : std::nullopt, true, new_wins_),
              "insert");
    }

    void move(sync_connection& session, randomness& random, const std::string& key) const {
        const std::string to = std::to_string((pick(random, 2) == 0 ? -1 : 1) * (10'000 + pick(random, 1'000'000)));
        if (session.query("SELECT FROM t WHERE id = $1", {to}).rows.empty()) {
            session.query("UPDATE t SET id = $2 WHERE id = $1", {key, to});
            session.query("UPDATE truth SET id = $2 WHERE id = $1", {key, to});
        }
    }

    void update(sync_connection& session, randomness& random, const std::string& key, sides before) const {
        if (!knows_old_ || !knows_new_) {  // it sees one side only: what the other is stands in the truth
            const auto known = session.query("SELECT total, total_big FROM truth WHERE id = $1", {key}).rows;
            before = {number_of_field(known.at(0)[0]), number_of_field(known.at(0)[1])};
        }
        const number given_old = small(value(random));
        const number given_new = value(random);
        const bool both = knows_old_ && knows_new_ && pick(random, 5) == 0;
        const bool old_side = knows_old_ && (!knows_new_ || pick(random, 2) == 0);
        const std::string old_text = text_of_number(given_old).value_or("NULL");
        const std::string new_text = text_of_number(given_new).value_or("NULL");
        std::optional<number> old_given;
        std::optional<number> new_given;
        std::string sets;
        if (both || old_side) {
            old_given = given_old;
            sets = "total = " + old_text;
        }
        if (both || !old_side) {
            new_given = given_new;
            sets += (sets.empty() ? "total_big = " : ", total_big = ") + new_text;
        }
        if (pick(random, 6) == 0) {  // neither
            sets = "note = note || '.'";
            old_given.reset();
            new_given.reset();
        }
        if (pick(random, 3) == 0 && session.server_major() >= 15) {
            session.execute("MERGE INTO t USING (VALUES (" + key +
                            ")) AS s (id) ON t.id = s.id WHEN MATCHED THEN UPDATE SET " + sets);
        } else {
            session.execute("UPDATE t SET " + sets + " WHERE id = " + key);
        }
        check(session, key, judged(before, old_given, new_given, false, new_wins_), sets);
    }

    void check(sync_connection& session, const std::string& key, sides expected, const std::string& after) const {
        const std::string expected_old = text_of_number(expected.total).value_or("NULL");
        const std::string expected_new = text_of_number(expected.total_big).value_or("NULL");
        const std::string shown =
            std::string("SELECT concat_ws(' ', ") + (knows_old_ ? "coalesce(total::text, 'NULL')" : "NULL") + ", " +
            (knows_new_ ? "coalesce(total_big::text, 'NULL')" : "NULL") + ") FROM t WHERE id = " + key;
        std::string wanted = knows_old_ ? expected_old : "";
        wanted += knows_new_ ? (wanted.empty() ? "" : " ") + expected_new : "";
        const std::string is = session.scalar(shown);
        if (is != wanted) {
            throw std::runtime_error("row " + key + " is " + is + " and not " + wanted + " after " + after);
        }
        session.query("INSERT INTO truth VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE SET total = $2, total_big = $3",
                      {key, text_of_number(expected.total), text_of_number(expected.total_big)});
    }

    bool knows_old_;
    bool knows_new_;
    bool new_wins_;
};

TEST_F(in_place_oracle, both_versions_find_what_the_rule_says) {
    const std::uint64_t seed = workload_seed();
    randomness random(seed);
    const bool new_wins = pick(random, 3) > 0;
    sql().execute(R"(
        CREATE TABLE t (id int PRIMARY KEY, total int DEFAULT 0, note text DEFAULT 'n');
        INSERT INTO t SELECT i, CASE WHEN i % 9 > 0 THEN i END FROM generate_series(1, 800) AS i;
        CREATE TABLE truth (id int PRIMARY KEY, total int, total_big bigint); INSERT INTO truth SELECT id, total, total FROM t)");
    writers old_version(db().uri());
    for (int writer = 0; writer < 2; ++writer) {
        old_version.add(random(), expand_application(true, false, new_wins));
    }
    const auto expect_truth = [&](const std::string& sides) {
        EXPECT_EQ(
            sql().number("SELECT count(*) FROM t FULL JOIN truth w USING (id) WHERE (t.id IS NULL) OR w.id IS NULL "
                         "OR (" +
                         sides + ")"),
            0)
            << "seed " << seed;
    };
    std::vector<std::string> arguments{
        "expand",
        "--table",
        "t",
        "--add",
        "total_big bigint DEFAULT 0",
        "--up",
        "total_big = total",
        "--conflict",
        new_wins ? "new" : "old",
        "--down",
        "total = (CASE WHEN total_big > 2147483647 THEN 2147483647 ELSE total_big END)::int"};
    writers new_version(db().uri());
    run_with_kills(arguments, random, old_version, [&] {  // deployed when both sides are there
        for (int writer = 0; writer < 2; ++writer) {
            new_version.add(random(), expand_application(true, true, new_wins));
        }
    });
    new_version.wait_for_more(50);
    EXPECT_EQ(old_version.stop(), std::vector<std::string>{}) << "seed " << seed;
    EXPECT_EQ(new_version.stop(), std::vector<std::string>{}) << "seed " << seed;
    expect_truth("t.total IS DISTINCT FROM w.total OR t.total_big IS DISTINCT FROM w.total_big");
    // The old version is gone: nobody sees the old column any more.
    const std::string job = text_of(only_job(db().uri()), "job");
    writers newest(db().uri());
    newest.add(random(), expand_application(false, true, new_wins));
    EXPECT_TRUE(exited(command("contract", {job, "--try"}), 0));
    newest.wait_for_more(20);
    EXPECT_TRUE(exited(command("contract", {job, "--undo"}), 0));
    newest.wait_for_more(20);
    EXPECT_TRUE(exited(command("contract", {job}), 0));
    newest.wait_for_more(20);
    EXPECT_EQ(newest.stop(), std::vector<std::string>{}) << "seed " << seed;
    expect_truth("t.total_big IS DISTINCT FROM w.total_big");
}

}  // namespace
}  // namespace pgeist::test
