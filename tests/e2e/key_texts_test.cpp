// Keys whose text is not what a cast to text gives, or is no text at all.

#include <gtest/gtest.h>

#include <string>

#include "e2e/run_test.hpp"

namespace pgeist::test {
namespace {

class key_texts : public run_test {
protected:
    /// Repacks t in small chunks, with changes of it while the swap is postponed.
    void repack_while(const std::string& changes) {
        sql().execute("CREATE TABLE twin (LIKE t); INSERT INTO twin SELECT * FROM t");
        auto running = start({"--repack", "--keep-old", "--chunk-rows", "50", "--postpone-swap"});
        wait_for_job_state(db().uri(), "waiting_for_swap");
        sql().execute(changes);
        EXPECT_TRUE(exited(command("verify", {"1"}), 0));
        EXPECT_TRUE(exited(command("swap", {"1"}), 0));
        EXPECT_TRUE(exited(running.finish(), 0));
        std::string other = changes;
        for (auto at = other.find(" t "); at != std::string::npos; at = other.find(" t ")) {
            other.replace(at, 3, " twin ");
        }
        sql().execute(other);
        EXPECT_EQ(sql().number("SELECT count(*) FROM (TABLE t EXCEPT ALL TABLE twin) AS x"), 0);
        EXPECT_EQ(sql().number("SELECT count(*) FROM (TABLE twin EXCEPT ALL TABLE t) AS x"), 0);
    }
};

TEST_F(key_texts, AnEnumWithACastToText) {
    sql().execute(
        "CREATE TYPE status AS ENUM ('open', 'held', 'shut');"
        "CREATE FUNCTION label(s status) RETURNS text LANGUAGE sql IMMUTABLE AS"
        "  $$ SELECT CASE s WHEN 'open' THEN 'Open for all' ELSE 'On hold' END $$;"
        "CREATE CAST (status AS text) WITH FUNCTION label(status);"
        "CREATE TABLE t (tenant int, state status, n int NOT NULL, PRIMARY KEY (tenant, state));"
        "INSERT INTO t SELECT g, s, 3 FROM generate_series(1, 100) AS g, unnest(enum_range(NULL::status)) AS s");
    repack_while("UPDATE t SET n = 4 WHERE tenant % 7 = 0; DELETE FROM t WHERE tenant % 11 = 0");
}

TEST_F(key_texts, ARowWithACastThatYieldsAnotherOne) {
    sql().execute(
        "CREATE TYPE ticket AS (n int);"
        "CREATE FUNCTION label(t ticket) RETURNS text LANGUAGE sql IMMUTABLE AS"
        "  $$ SELECT format('(%s)', t.n - 1000) $$;"
        "CREATE CAST (ticket AS text) WITH FUNCTION label(ticket);"
        "CREATE TABLE t (k ticket PRIMARY KEY, note text);"
        "INSERT INTO t SELECT ROW(g)::ticket, 'n' FROM generate_series(1, 500) AS g");
    repack_while("UPDATE t SET note = 'x' WHERE (k).n % 7 = 0; DELETE FROM t WHERE (k).n % 11 = 0");
}

TEST_F(key_texts, BytesThatAreNoText) {
    sql().execute(
        "CREATE TABLE t (k \"char\" PRIMARY KEY, v int);"
        "INSERT INTO t SELECT (g - 128)::int::\"char\", g FROM generate_series(0, 255) AS g");
    repack_while("UPDATE t SET v = v + 1000 WHERE v % 3 = 0; DELETE FROM t WHERE v % 5 = 0");
}

TEST_F(key_texts, AreToldByTheTypesOwnForm) {
    sql().execute(
        "CREATE TYPE status AS ENUM ('open', 'held', 'shut');"
        "CREATE FUNCTION label(s status) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT 'no matter' $$;"
        "CREATE CAST (status AS text) WITH FUNCTION label(status);"
        "CREATE TABLE t (k status PRIMARY KEY, v text); INSERT INTO t VALUES ('open', '1'), ('held', 'x')");
    const run_result ended = run({"--alter", "ALTER COLUMN v TYPE int USING v::int", "--keep-old"});
    EXPECT_TRUE(exited(ended, 1));
    EXPECT_TRUE(says(ended, {"k = held; v = x"}));
}

}  // namespace
}  // namespace pgeist::test
