// Keys of all kinds: walked by their index, coalesced by its equality.

#include "job_test.hpp"
#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/walk/boundary_finder.hpp"

namespace pgeist::test {
namespace {

class keys : public job_test {
protected:
    /// Walks the whole table in ranges of `rows` rows and copies each. @returns the number of ranges
    int copy_in_chunks(std::int64_t rows) {
        auto bounds = db_session();
        await(walk::prepare_for_bounds(*bounds));
        walk::boundary_finder finder(*bounds, plan().table, plan().key, {walk::key_range{}});
        int ranges = 0;
        for (auto range = await(finder.next(rows)); range; range = await(finder.next(rows))) {
            copy(*range);
            ++ranges;
        }
        return ranges;
    }
    std::unique_ptr<pg::connection> db_session() { return await(work().pool.open_own("bounds")); }

    std::string plan_of(const std::string& statement, const pg::parameters& values) {
        auto bounds = db_session();
        await(walk::prepare_for_bounds(*bounds));
        const pg::result rows =
            await(bounds->query_params("EXPLAIN (COSTS OFF) " + statement, values, deadline::never()));
        std::string text;
        for (int row = 0; row < rows.rows(); ++row) {
            text += rows.text(row, 0) + "\n";
        }
        return text;
    }

    /// The boundary query and the chunk query must go along the index, without a sort.
    void expect_index_walk(const walk::key_range& range) {
        const walk::bound_sql chunk = copy::chunk_sql(transfer(), range);
        const std::string bounds_plan = plan_of(walk::bound_query(plan().table, plan().key, range, 100), chunk.values);
        EXPECT_NE(bounds_plan.find("Index"), std::string::npos) << bounds_plan;
        EXPECT_EQ(bounds_plan.find("Sort"), std::string::npos) << bounds_plan;
        const std::string chunk_plan = plan_of(chunk.sql, chunk.values);
        EXPECT_NE(chunk_plan.find("Index Scan"), std::string::npos) << chunk_plan;
        EXPECT_EQ(chunk_plan.find("Seq Scan"), std::string::npos) << chunk_plan;
    }

    void change_while_copied(const std::string& writes) {
        capture();
        const int ranges = copy_in_chunks(7);
        EXPECT_GT(ranges, 3);
        sql().execute(writes);
        build();
        expect_equal();
    }
};

TEST_F(keys, Text) {
    sql().execute(
        "CREATE TABLE t (id text PRIMARY KEY, v int);"
        "INSERT INTO t SELECT chr(97 + i % 26) || chr(65 + i % 7) || 'ä' || i, i FROM generate_series(1, 60) i");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    expect_index_walk(walk::key_range{at("b"), at("q")});
    change_while_copied(
        "UPDATE t SET v = -v WHERE id < 'k'; UPDATE t SET id = id || 'x' WHERE id > 't'; DELETE FROM t WHERE id LIKE "
        "'m%'");
}

TEST_F(keys, TextOfAnotherCollation) {
    sql().execute(
        "CREATE TABLE t (id text COLLATE \"C\" PRIMARY KEY, v int);"
        "INSERT INTO t SELECT CASE i % 2 WHEN 0 THEN 'a' ELSE 'B' END || i, i FROM generate_series(1, 60) i");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    change_while_copied("UPDATE t SET v = -v; UPDATE t SET id = lower(id) || 'x' WHERE id < 'a'");
}

TEST_F(keys, Uuid) {
    sql().execute(
        "CREATE TABLE t (id uuid PRIMARY KEY, v int);"
        "INSERT INTO t SELECT md5(i::text)::uuid, i FROM generate_series(1, 60) i");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    expect_index_walk(walk::key_range{at("20000000-0000-0000-0000-000000000000"), std::nullopt});
    change_while_copied(
        "UPDATE t SET v = -v WHERE v % 3 = 0; UPDATE t SET id = md5(v::text || 'x')::uuid WHERE v % 5 = 0");
}

TEST_F(keys, TimestampWithTimeZoneUnderAnOddDateStyle) {
    sql().execute(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET DateStyle = ''SQL, DMY''', current_database()); "
        "EXECUTE format('ALTER DATABASE %I SET extra_float_digits = 0', current_database()); END $$;"
        "CREATE TABLE t (id timestamptz PRIMARY KEY, v int);"
        "INSERT INTO t SELECT '2024-03-31 00:00+00'::timestamptz + i * interval '7 minutes 0.000001 seconds', i FROM "
        "generate_series(1, 60) i");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    change_while_copied(
        "UPDATE t SET v = -v WHERE v % 3 = 0; UPDATE t SET id = id + interval '1 year' WHERE v % 7 = 0");
}

TEST_F(keys, DoublesThatNeedAllTheirDigits) {
    sql().execute(
        "CREATE TABLE t (id float8 PRIMARY KEY, v int);"
        "INSERT INTO t SELECT 0.1::float8 + i / 3.0::float8, i FROM generate_series(-30, 30) i;"
        "INSERT INTO t VALUES ('NaN', 0), ('Infinity', 0), ('-Infinity', 0), ('-0', 0)");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    change_while_copied("UPDATE t SET v = v + 1; UPDATE t SET id = 0 WHERE id = 0");
}

TEST_F(keys, Composite) {
    sql().execute(
        "CREATE TABLE t (a int, b text, c date, v int, PRIMARY KEY (b, a, c));"
        "INSERT INTO t SELECT i % 4, chr(97 + i % 5), DATE '2024-01-01' + i, i FROM generate_series(1, 60) i");
    prepare("t", {"ALTER COLUMN a TYPE bigint"});
    expect_index_walk(walk::key_range{std::vector<std::string>{"b", "1", "2024-01-05"},
                                      std::vector<std::string>{"d", "1", "2024-02-05"}});
    change_while_copied(
        "UPDATE t SET v = -v WHERE a = 1; DELETE FROM t WHERE a = 2 AND b = 'c'; UPDATE t SET c = c + 1000 WHERE b = "
        "'d'");
}

TEST_F(keys, DescendingAndMixedIndexes) {
    sql().execute(
        "CREATE TABLE t (a int NOT NULL, b int NOT NULL, v int); CREATE UNIQUE INDEX t_ab ON t (a DESC, b);"
        "INSERT INTO t SELECT i / 5, i % 5, i FROM generate_series(1, 60) i");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    expect_index_walk(walk::key_range{std::vector<std::string>{"9", "1"}, std::vector<std::string>{"3", "2"}});
    change_while_copied(
        "UPDATE t SET v = -v WHERE b = 1; DELETE FROM t WHERE a = 2; UPDATE t SET a = a + 100 WHERE b = 3");
}

TEST_F(keys, NumericOfDifferentScale) {
    sql().execute(
        "CREATE TABLE t (id numeric PRIMARY KEY, v int); INSERT INTO t SELECT i + 0.0, i FROM generate_series(1, 60) "
        "i");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    change_while_copied(
        "UPDATE t SET id = v WHERE v % 2 = 0; UPDATE t SET id = id::numeric(10,3) WHERE v % 3 = 0; UPDATE t SET v = 0 "
        "WHERE id = 5.000");
}

TEST_F(keys, NondeterministicCollation) {
    const auto icu = sql().query("SELECT 1 FROM pg_collation WHERE collprovider = 'i' LIMIT 1");
    if (icu.rows.empty()) {
        sql().execute("CREATE TABLE t (id text PRIMARY KEY, v int)");  // a server without ICU: nothing to tell apart
    } else {
        sql().execute(
            "CREATE COLLATION ci (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
            "CREATE TABLE t (id text COLLATE ci PRIMARY KEY, v int)");
    }
    sql().execute("INSERT INTO t SELECT 'Key' || i, i FROM generate_series(1, 60) i");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    change_while_copied(
        "UPDATE t SET id = upper(id) WHERE v % 2 = 0; DELETE FROM t WHERE v = 7; INSERT INTO t VALUES ('KEY7', 70)");
}

TEST_F(keys, WithOddNames) {
    sql().execute(
        "CREATE TABLE \"Odd \"\"t\" (\"found\" int, \"k1\" int, \"s\" int, \"select\" int, PRIMARY KEY (\"found\", "
        "\"k1\"));"
        "INSERT INTO \"Odd \"\"t\" SELECT i, i % 3, i, i FROM generate_series(1, 60) i");
    prepare("\"Odd \"\"t\"", {"ALTER COLUMN \"s\" TYPE bigint"});
    change_while_copied(
        "UPDATE \"Odd \"\"t\" SET \"s\" = 0 WHERE \"found\" < 9; DELETE FROM \"Odd \"\"t\" WHERE \"k1\" = 2; UPDATE "
        "\"Odd \"\"t\" SET \"k1\" = 7 WHERE \"k1\" = 1");
}

TEST_F(keys, OfATableThatIsCalledLikeOurOwnLog) {
    sql().execute(
        "CREATE TABLE log (id int PRIMARY KEY, v int); INSERT INTO log SELECT i, i FROM generate_series(1, 60) i");
    prepare("log", {"ALTER COLUMN id TYPE bigint"});
    change_while_copied("UPDATE log SET v = -v; DELETE FROM log WHERE id = 9");
}

}  // namespace
}  // namespace pgeist::test
