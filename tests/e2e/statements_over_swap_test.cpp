// Statements and sessions of every kind that write the table during a run: MERGE, several writes in one WITH, cursors,
// prepared statements, row variables, queues. A twin that no run touches says what is right.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"

namespace pgeist::test {
namespace {

class statements_over_swap : public run_test {
protected:
    /// Runs a script once with @ for t, and once with @ for its twin.
    void write(const std::string& script) {
        for (const char* table : {"t", "twin"}) {
            std::string statements = script;
            for (auto at = statements.find('@'); at != std::string::npos; at = statements.find('@')) {
                statements.replace(at, 1, table);
            }
            sql().execute(statements);
        }
    }

    void write_in_every_way() {
        if (sql().server_major() >= 15) {
            write(
                "MERGE INTO @ AS m USING (SELECT g AS id FROM generate_series(1, 3000, 7) AS g) AS i ON m.id = i.id "
                "WHEN MATCHED AND i.id % 2 = 0 THEN DELETE WHEN MATCHED THEN UPDATE SET n = m.n + 1 "
                "WHEN NOT MATCHED THEN INSERT VALUES (i.id, 1, 'merged')");
        }
        write(
            "WITH gone AS (DELETE FROM @ WHERE id > 0 AND id % 11 = 0 RETURNING id), "
            "more AS (UPDATE @ SET n = n + 5 WHERE id % 11 = 1 RETURNING id) "
            "INSERT INTO @ AS m SELECT -id, 0, 'moved' FROM gone ON CONFLICT (id) DO UPDATE SET n = m.n + 1");
        write(
            "INSERT INTO @ AS m SELECT g, 2, 'up' FROM generate_series(1900, 2100) AS g "
            "ON CONFLICT (id) DO UPDATE SET id = m.id + 100000, note = 'away' WHERE m.id % 2 = 0");
        write(
            "BEGIN; UPDATE @ SET id = id + 500000 WHERE id BETWEEN 10 AND 60;"
            "UPDATE @ SET id = id - 500000, n = n + 1 WHERE id BETWEEN 500010 AND 500060;"
            "DECLARE c CURSOR FOR SELECT id FROM @ WHERE id BETWEEN 100 AND 110 ORDER BY id FOR UPDATE;"
            "FETCH c; UPDATE @ SET note = 'by cursor' WHERE CURRENT OF c; FETCH c; DELETE FROM @ WHERE CURRENT OF c;"
            "SAVEPOINT s; DELETE FROM @; ROLLBACK TO s; COMMIT");
        write("COPY @ FROM PROGRAM 'seq -f \"%.0f,3,copied\" 700001 700100' WITH (FORMAT csv)");
        write("SELECT count(take_@(id)) FROM (SELECT id FROM @ WHERE id BETWEEN 1200 AND 1300 ORDER BY id) AS s");
        write("DELETE FROM @ WHERE id > 100000");  // so that it can be done again
    }

    long long rows_that_differ() {
        return sql().number(
            "SELECT count(*) FROM t FULL JOIN twin USING (id) WHERE (t.n, t.note) IS DISTINCT FROM (twin.n, twin.note) "
            "OR t.n IS NULL OR twin.n IS NULL");
    }
};

TEST_F(statements_over_swap, MergeConflictsCursorsAndCopy) {
    write(
        "CREATE TABLE @ (id int PRIMARY KEY, n int NOT NULL, note text);"
        "INSERT INTO @ SELECT g, 0, 'n' || g FROM generate_series(1, 2000) AS g;"
        "CREATE FUNCTION take_@(i int) RETURNS int LANGUAGE plpgsql AS $$"
        " BEGIN UPDATE @ SET n = n + 1 WHERE id = i; DELETE FROM @ WHERE id = i + 1000 AND i % 2 = 0; RETURN i; END "
        "$$");
    auto running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--keep-old", "--chunk-rows", "100", "--max-rate",
                          "2000", "--postpone-swap"});
    running.wait_for_phase("copy");
    write_in_every_way();
    wait_for_job_state(db().uri(), "waiting_for_swap");
    write_in_every_way();
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(rows_that_differ(), 0);
    EXPECT_EQ(type_of("id"), "bigint");
}

/// A session of an application that lives before and after the swap.
class long_session {
public:
    explicit long_session(sync_connection connection) : connection_(std::move(connection)) {
        connection_.execute(
            "PREPARE payload_of(bigint) AS SELECT j.payload FROM t j WHERE j.id = $1;"
            "BEGIN; DECLARE kept CURSOR WITH HOLD FOR SELECT j.id FROM t j ORDER BY j.id DESC; COMMIT");
        look();
        connection_.send("CALL work()");
    }

    void look() {
        EXPECT_EQ(connection_.query("FETCH 3 FROM kept").rows.size(), 3U);
        EXPECT_EQ(connection_.scalar("EXECUTE payload_of(3000)"), "p3000");
        EXPECT_EQ(connection_.scalar("SELECT peek(3000)"), "p3000");
    }

    void finish() { connection_.finish(); }

private:
    sync_connection connection_;
};

TEST_F(statements_over_swap, QueuesCursorsAndPreparedStatementsOfSessionsThatGoOn) {
    sql().execute(
        "CREATE TABLE t (id int PRIMARY KEY, payload text NOT NULL); CREATE TABLE done (id bigint PRIMARY KEY);"
        "CREATE TABLE told (id bigint NOT NULL); CREATE TABLE enough (at timestamptz);"
        "INSERT INTO t SELECT g, 'p' || g FROM generate_series(1, 3000) AS g;"
        "CREATE FUNCTION tell() RETURNS trigger LANGUAGE plpgsql AS $$"
        " BEGIN PERFORM pg_notify('t', OLD.id::text); INSERT INTO told VALUES (OLD.id); RETURN NULL; END $$;"
        "CREATE TRIGGER tell AFTER DELETE ON t FOR EACH ROW EXECUTE FUNCTION tell();"
        "CREATE FUNCTION peek(i int) RETURNS text LANGUAGE plpgsql AS $$"
        " DECLARE r t%ROWTYPE; BEGIN SELECT * INTO r FROM t WHERE t.id = i; RETURN r.payload; END $$;"
        "CREATE PROCEDURE work() LANGUAGE plpgsql AS $$ DECLARE taken bigint; BEGIN"
        " WHILE NOT EXISTS (SELECT FROM enough) LOOP"
        "  DELETE FROM t WHERE id = (SELECT id FROM t WHERE id < 3000 ORDER BY id FOR UPDATE SKIP LOCKED LIMIT 1)"
        "   RETURNING id INTO taken;"
        "  IF taken IS NOT NULL THEN INSERT INTO done VALUES (taken); END IF;"
        "  COMMIT; PERFORM pg_sleep(0.005);"
        " END LOOP; END $$");
    std::vector<std::unique_ptr<long_session>> sessions;
    for (int number = 0; number < 3; ++number) {
        sessions.push_back(std::make_unique<long_session>(db().connect()));
    }
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint, ADD COLUMN tries int DEFAULT 0 NOT NULL",
                            "--keep-old", "--chunk-rows", "500"}),
                       0));
    expect_cleanup_leaves_nothing();
    sql().execute("INSERT INTO enough VALUES (now())");
    for (const auto& each : sessions) {
        each->finish();
        each->look();
    }
    EXPECT_EQ(sql().number("SELECT (SELECT count(*) FROM t) + (SELECT count(*) FROM done)"), 3000);
    EXPECT_EQ(sql().number("SELECT count(*) FROM t JOIN done USING (id)"), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM told FULL JOIN done USING (id) WHERE told IS NULL OR done IS NULL"),
              0);
    EXPECT_EQ(sql().number("SELECT count(*) - count(DISTINCT id) FROM told"), 0);
    EXPECT_EQ(type_of("id"), "bigint");
}

}  // namespace
}  // namespace pgeist::test
