// The look at every row of the source's file: what moves while it goes on, and what it must find.

#include "pgeist/transfer/verify/file_walk.hpp"

#include <functional>

#include "job_test.hpp"
#include "pgeist/transfer/replay/replayer.hpp"
#include "pgeist/transfer/verify/verifier.hpp"

namespace pgeist::test {
namespace {

/// Does something before the walk's chunk of a given number (from 1).
class turn : public throttle::limiter {
public:
    [[nodiscard]] awaitable<void> before_chunk(std::int64_t, std::chrono::nanoseconds) override {
        if (++chunk_ == at && action) {
            action();
        }
        co_return;
    }
    [[nodiscard]] awaitable<void> before_batch(std::int64_t, std::chrono::nanoseconds) override { co_return; }

    int at = 0;
    std::function<void()> action;

private:
    int chunk_ = 0;
};

/// Rows of which five fit a block, ids 1 to 50 in blocks 0 to 9, copied, with all indexes; two blocks are a chunk.
class file_walk : public job_test {
protected:
    void start(const std::string& before_the_job = "") {
        sql().execute(
            "CREATE TABLE t (id int PRIMARY KEY, u int, v text); ALTER TABLE t ALTER v SET STORAGE PLAIN;"
            "INSERT INTO t SELECT i, i, repeat('x', 1500) FROM generate_series(1, 50) i");
        if (!before_the_job.empty()) {
            sql().execute(before_the_job);
        }
        sql().execute("VACUUM ANALYZE t");
        run::settings chosen;
        chosen.workers = 1;
        chosen.chunk_rows = 10;
        prepare("t", {"ALTER COLUMN id TYPE bigint"}, chosen, plan::copy_order::key);
        capture();
        copy_all();
        build();
    }

    /// Walks, and does `action` before chunk `at`. @returns rows that were missing
    std::int64_t walk(int at = 0, std::function<void()> action = {}) {
        turn when;
        when.at = at;
        when.action = std::move(action);
        pgeist::transfer::workspace with{
            work().pool, work().job,         transfer(), work().settings, work().observer, work().progress,
            when,        work().incarnation, 0,          nullptr};
        verify::file_walk walking(with);
        work().progress.rows_done = 0;
        await(walking.run());
        return walking.missing();
    }

    long long block_of(int id) {
        return sql().number("SELECT (ctid::text::point)[0]::bigint FROM t WHERE id = " + std::to_string(id));
    }
    [[nodiscard]] std::string shadow() { return plan().shadow().sql(); }

    void settle_and_compare() {
        verify::verifier checker(work());
        replay::replayer changes(work());
        await(checker.settle(changes));
        expect_equal();
    }

    /// Rows that no index has an entry of, as a failed CREATE INDEX CONCURRENTLY leaves them.
    void insert_behind_the_index(const std::string& rows) {
        sql().execute("SET allow_system_table_mods = on");
        sql().execute("UPDATE pg_index SET indisready = false WHERE indexrelid = 't_pkey'::regclass");
        auto other = db().connect();
        other.execute("INSERT INTO t " + rows);
        sql().execute("UPDATE pg_index SET indisready = true WHERE indexrelid = 't_pkey'::regclass");
    }

    void expect_damaged(const std::string& text) {
        try {
            walk();
            ADD_FAILURE() << "the index is damaged";
        } catch (const error& failure) {
            EXPECT_EQ(failure.code(), exit_code::verification_failed);
            EXPECT_NE(std::string(failure.what()).find("t_pkey"), std::string::npos) << failure.what();
            EXPECT_NE(std::string(failure.what()).find(text), std::string::npos) << failure.what();
        }
    }
};

TEST_F(file_walk, OfAFaithfulCopyFindsNothingAndReadsEachRowOnce) {
    start();
    EXPECT_EQ(walk(), 0);
    EXPECT_EQ(work().progress.rows_done, 50);
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().job_schema + ".pgeist_file_walk"), 5);
}

TEST_F(file_walk, GoesByPlacesAndIndexesOnly) {
    start();
    const verify::file_walk_statements statements(transfer());
    const walk::bound_sql look = statements.look({at("(1,65535)"), at("(3,65535)")});
    sql().execute("SET enable_seqscan = off; SET enable_bitmapscan = off");
    std::string text;
    for (const row& line : sql().query("EXPLAIN " + look.sql, {look.values.begin(), look.values.end()}).rows) {
        text += line[0].value_or("") + "\n";
    }
    EXPECT_NE(text.find("Tid Range Scan"), std::string::npos) << text;
    EXPECT_EQ(text.find("Seq Scan"), std::string::npos) << text;
    EXPECT_EQ(text.find("hashed"), std::string::npos) << text;
    EXPECT_EQ(text.find("Tid Scan"), std::string::npos) << text;
}

TEST_F(file_walk, ARowThatMovesAheadOfTheWalk) {
    start();
    EXPECT_EQ(walk(3, [this] { sql().execute("UPDATE t SET u = 1 WHERE id IN (2, 40)"); }), 0);
    EXPECT_GE(block_of(2), 9);
    settle_and_compare();
}

TEST_F(file_walk, ARowThatMovesBehindTheWalk) {
    start("DELETE FROM t WHERE id BETWEEN 2 AND 5");
    EXPECT_EQ(walk(3, [this] { sql().execute("UPDATE t SET u = 1 WHERE id = 40"); }), 0);
    EXPECT_EQ(block_of(40), 0);
    settle_and_compare();
}

TEST_F(file_walk, AKeyThatChangesAndItsRowMovesAhead) {
    start();
    EXPECT_EQ(walk(3, [this] { sql().execute("UPDATE t SET id = id + 1000 WHERE id IN (2, 40)"); }), 0)
        << "the new keys are not in the shadow, but in the log";
    settle_and_compare();
}

TEST_F(file_walk, AKeyThatIsDeletedAndComesBackElsewhere) {
    start("DELETE FROM t WHERE id BETWEEN 2 AND 5");
    EXPECT_EQ(walk(3,
                   [this] {
                       sql().execute("DELETE FROM t WHERE id IN (1, 40)");
                       sql().execute("INSERT INTO t VALUES (40, 0, repeat('y', 1500)), (1, 0, repeat('y', 1500))");
                   }),
              0);
    settle_and_compare();
}

TEST_F(file_walk, RowsThatAreReplayedWhileItGoesOn) {
    start();
    const auto replay_now = [this] {
        sql().execute(
            "UPDATE t SET id = id + 1000 WHERE id % 7 = 0; DELETE FROM t WHERE id % 5 = 0;"
            "INSERT INTO t SELECT i, i FROM generate_series(101, 120) i");
        // As replay does it, in one transaction of another session.
        auto other = db().connect();
        const std::string log = plan().job_schema + ".pgeist_log";
        other.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; DELETE FROM " + shadow() +
                      " WHERE id IN (SELECT k1 FROM " + log + "); INSERT INTO " + shadow() +
                      " SELECT * FROM t WHERE id IN (SELECT k1 FROM " + log + "); DELETE FROM " + log + "; COMMIT");
    };
    EXPECT_EQ(walk(3, replay_now), 0);
    settle_and_compare();
}

TEST_F(file_walk, SeesTheLogAndBothTablesAsOfOneMoment) {
    start();
    sql().execute("INSERT INTO t VALUES (60, 0, 'new'); DELETE FROM t WHERE id = 3");
    const verify::file_walk_statements statements(transfer());
    auto reader = db().connect();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
    EXPECT_EQ(reader.number("SELECT count(*) FROM " + plan().job_schema + ".pgeist_log"), 2);
    replay();
    const auto look = statements.look(walk::key_range{});
    const auto queue = statements.queue_missing(walk::key_range{});
    EXPECT_EQ(reader.number("SELECT not_written FROM (" + look.sql + ") AS f"), 1);
    EXPECT_EQ(reader.query(queue.sql).rows.size(), 0U) << "the log tells why, though it is replayed meanwhile";
    reader.execute("ROLLBACK");
    EXPECT_EQ(walk(), 0);
}

TEST_F(file_walk, ARowThatTheShadowLacksIsCopiedAgain) {
    start();
    sql().execute("DELETE FROM " + shadow() + " WHERE id IN (8, 33)");
    EXPECT_EQ(walk(), 2);
    settle_and_compare();
}

TEST_F(file_walk, ARowToWhichTheIndexDoesNotLead) {
    start();
    insert_behind_the_index("VALUES (70, 70, 'x'), (71, 71, 'x')");
    expect_damaged("does not lead to 2 rows");
}

TEST_F(file_walk, ASecondRowOfOneKeyToWhichTheIndexDoesNotLead) {
    start();
    insert_behind_the_index("SELECT * FROM t WHERE id = 7");
    expect_damaged("does not lead to 1 rows");
}

TEST_F(file_walk, GoesOnWhereItStopped) {
    start();
    EXPECT_THROW(walk(4, [] { throw error(exit_code::failed, "stopped"); }), error);
    const long long looked_at = sql().number("SELECT count(*) FROM " + plan().job_schema + ".pgeist_file_walk");
    EXPECT_GT(looked_at, 1);
    sql().execute("DELETE FROM " + shadow() + " WHERE id IN (2, 49)");
    EXPECT_EQ(walk(), 1) << "the first chunks are not read again";
    EXPECT_EQ(work().progress.rows_done, 50);
    await(verify::file_walk::forget(work()));
    EXPECT_EQ(walk(), 1) << "2 is missing too; 49 waits in the log";
}

TEST_F(file_walk, BeginsAgainInAnotherFile) {
    start();
    EXPECT_EQ(walk(), 0);
    sql().execute("DELETE FROM " + shadow() + " WHERE id = 2");
    sql().execute("VACUUM FULL t");
    EXPECT_EQ(walk(), 1);
}

TEST_F(file_walk, NoticesThatTheTableIsRewritten) {
    start();
    EXPECT_THROW(walk(3, [this] { sql().execute("VACUUM FULL t"); }), transfer::source_rewritten);
    EXPECT_EQ(walk(), 0);
}

TEST_F(file_walk, NoticesThatTheTableIsTruncated) {
    start();
    EXPECT_THROW(walk(3, [this] { sql().execute("TRUNCATE t"); }), transfer::source_truncated);
}

/// A larger table, most rows of which have neighbours of neighbouring keys: those are looked up in the order of the
/// key.
class file_walk_in_order : public file_walk {
protected:
    void start_with(const std::string& columns, const std::string& rows) {
        sql().execute("CREATE TABLE t (" + columns + "); INSERT INTO t " + rows + "; ANALYZE t");
        prepare("t", {"ALTER COLUMN n TYPE bigint"}, {}, plan::copy_order::key);
        capture();
        copy_all();
        build();
    }

    /// What both ways of looking find, of all rows: rows, not led to, not in the shadow.
    void expect_found_in_both_ways(const std::string& wanted) {
        const verify::file_walk_statements statements(transfer());
        const walk::key_range all;
        auto reader = db().connect();
        reader.execute("SET enable_seqscan = off; SET enable_bitmapscan = off");
        const auto ask = [&](const walk::bound_sql& query) {
            return reader.query("SELECT rows, not_led_to, not_written FROM (" + query.sql + ") AS f",
                                {query.values.begin(), query.values.end()});
        };
        const auto number = [](const result_set& found, std::size_t column) {
            return std::stoll(found.rows.at(0).at(column).value_or("-1"));
        };
        const auto shown = [&](const std::vector<result_set>& parts) {
            std::string text;
            for (std::size_t column = 0; column < 3; ++column) {
                long long sum = 0;
                for (const result_set& part : parts) {
                    sum += number(part, column);
                }
                text += (text.empty() ? "" : " ") + std::to_string(sum);
            }
            return text;
        };
        EXPECT_EQ(shown({ask(statements.look(all))}), wanted);
        const result_set edges = reader.query(statements.find_window(all, 300).sql);
        verify::file_walk_statements::key_window window;
        for (std::size_t column = 0; column < edges.columns.size(); ++column) {
            window.first.push_back(edges.rows.at(0).at(column).value_or(""));
            window.last.push_back(edges.rows.at(1).at(column).value_or(""));
        }
        reader.execute("SET enable_nestloop = off; SET enable_hashjoin = off");
        const walk::bound_sql in_order = statements.look_in_order(all, window);
        std::string plan_text;
        for (const row& line :
             reader.query("EXPLAIN " + in_order.sql, {in_order.values.begin(), in_order.values.end()}).rows) {
            plan_text += line[0].value_or("") + "\n";
        }
        EXPECT_NE(plan_text.find("Merge Left Join"), std::string::npos) << plan_text;
        EXPECT_EQ(plan_text.find("Nested"), std::string::npos) << plan_text;
        const result_set inside = ask(in_order);
        EXPECT_GT(number(inside, 0), 3000);
        reader.execute("SET enable_nestloop = on");
        EXPECT_EQ(shown({inside, ask(statements.look(all, window))}), wanted);
    }
};

TEST_F(file_walk_in_order, FindsTheSameOfNumbers) {
    start_with("id int PRIMARY KEY, n int",
               "SELECT CASE WHEN g % 20 = 0 THEN g * 1000 ELSE g END, g FROM generate_series(1, 4000) g");
    expect_found_in_both_ways("4000 0 0");
    sql().execute("DELETE FROM " + shadow() + " WHERE id IN (1, 2001, 2000000, 3999)");
    insert_behind_the_index("VALUES (-1, 0), (2020, 0), (50000000, 0)");
    expect_found_in_both_ways("4003 3 7");
}

TEST_F(file_walk_in_order, FindsTheSameOfKeysInSeveralOrders) {
    start_with("a text COLLATE \"C\" NOT NULL, b numeric NOT NULL, n int NOT NULL, CONSTRAINT t_other UNIQUE (n, a)",
               "SELECT chr(65 + g / 200), g / 3.0, g FROM generate_series(0, 3999) g");
    expect_found_in_both_ways("4000 0 0");
    sql().execute("DELETE FROM " + shadow() + " WHERE n IN (0, 1, 2000, 2500, 3999)");
    expect_found_in_both_ways("4000 0 5");
}

TEST_F(file_walk_in_order, FindsTheSameOfADescendingKey) {
    sql().execute(
        "CREATE TABLE t (a text COLLATE \"C\" NOT NULL, b int NOT NULL, n int);"
        "CREATE UNIQUE INDEX t_pkey ON t (a DESC, b);"
        "INSERT INTO t SELECT chr(65 + g / 200), g, g FROM generate_series(0, 3999) g; ANALYZE t");
    prepare("t", {"ALTER COLUMN n TYPE bigint"}, {}, plan::copy_order::key);
    capture();
    copy_all();
    build();
    expect_found_in_both_ways("4000 0 0");
    sql().execute("DELETE FROM " + shadow() + " WHERE n IN (0, 1, 2000, 2500, 3999)");
    insert_behind_the_index("VALUES ('J', 100000, 0)");
    expect_found_in_both_ways("4001 1 6");
}

TEST_F(file_walk_in_order, SeesASecondRowOfOneKey) {
    start_with("id int PRIMARY KEY, n int", "SELECT g, g FROM generate_series(1, 4000) g");
    insert_behind_the_index("SELECT * FROM t WHERE id = 2000");
    expect_found_in_both_ways("4001 1 0");
    EXPECT_THROW(walk(), error);
}

TEST_F(file_walk_in_order, WalksAllRows) {
    start_with("id int PRIMARY KEY, n int",
               "SELECT CASE WHEN g % 50 = 0 THEN g * 1000 ELSE g END, g FROM generate_series(1, 4000) g");
    sql().execute("DELETE FROM " + shadow() + " WHERE id IN (1, 2001, 2000000, 3999)");
    EXPECT_EQ(walk(), 4);
    EXPECT_EQ(work().progress.rows_done, 4000);
    settle_and_compare();
}

TEST_F(file_walk, OfAnEmptyTable) {
    start("DELETE FROM t");
    EXPECT_EQ(walk(), 0);
}

}  // namespace
}  // namespace pgeist::test
