// Copying in the order of the file: rows that move while they are copied, one test for each way.

#include "pgeist/walk/heap_order.hpp"
#include "job_test.hpp"
#include "pgeist/build/index_builder.hpp"
#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/transfer/replay/moved_rows.hpp"
#include "pgeist/transfer/replay/replay_sql.hpp"

namespace pgeist::test {
namespace {

/// Rows of which five fit a block, ids 1 to 50: blocks 0 to 9.
class heap_order : public job_test {
protected:
    void start(const std::string& before_the_job = "") {
        sql().execute(
            "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v text); ALTER TABLE t ALTER v SET STORAGE PLAIN;"
            "INSERT INTO t SELECT i, i, repeat('x', 1500) FROM generate_series(1, 50) i");
        if (!before_the_job.empty()) {
            sql().execute(before_the_job);
        }
        sql().execute("VACUUM t");
        prepare("t", {"ALTER COLUMN id TYPE bigint"}, {}, plan::copy_order::heap);
        capture();
    }

    static walk::bound end_of(int block) { return at("(" + std::to_string(block) + ",65535)"); }
    static walk::key_range from_start_to(int block) { return {std::nullopt, end_of(block)}; }
    static walk::key_range after(int block) { return {end_of(block), std::nullopt}; }

    long long block_of(int id) {
        return sql().number("SELECT (ctid::text::point)[0]::bigint FROM t WHERE id = " + std::to_string(id));
    }
    long long copies_of(int id) {
        return sql().number("SELECT count(*) FROM " + plan().shadow().sql() + " WHERE id = " + std::to_string(id));
    }

    /// The plan in a session set up as pgeist's workers are.
    std::string explained(const std::string& statement, const std::vector<std::string>& values = {}) {
        sql().execute("SET enable_seqscan = off; SET enable_bitmapscan = off");
        std::string text;
        for (const row& line : sql().query("EXPLAIN " + statement, {values.begin(), values.end()}).rows) {
            text += line[0].value_or("") + "\n";
        }
        return text;
    }

    void finish_and_compare() {
        await(pgeist::replay::delete_moved_rows(work()));
        build();
        expect_equal();
        EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().job_schema + ".pgeist_log"), 0);
    }
};

TEST_F(heap_order, ARowThatMovesToABlockNotYetCopiedIsCopiedTwiceAndThereOnce) {
    start();
    copy(from_start_to(4));
    sql().execute("UPDATE t SET u = 1007 WHERE id = 7");
    ASSERT_GT(block_of(7), 4);
    copy(after(4));
    EXPECT_EQ(copies_of(7), 2);
    EXPECT_THROW(await(build::build_key_index(work())), error) << "what delete_moved_rows() is for";
    finish_and_compare();
}

TEST_F(heap_order, ARowThatMovesToACopiedBlockIsMissedAndThereInTheEnd) {
    start("DELETE FROM t WHERE id BETWEEN 2 AND 5");
    copy(from_start_to(4));
    sql().execute("UPDATE t SET u = 1040 WHERE id = 40");
    ASSERT_EQ(block_of(40), 0);
    copy(after(4));
    EXPECT_EQ(copies_of(40), 0);
    finish_and_compare();
}

TEST_F(heap_order, AKeyThatChangesWhileItsRowMoves) {
    start();
    copy(from_start_to(4));
    sql().execute("UPDATE t SET id = 1007 WHERE id = 7; UPDATE t SET id = 7 WHERE id = 40");
    copy(after(4));
    EXPECT_EQ(copies_of(7), 2);
    EXPECT_EQ(copies_of(1007), 1);
    finish_and_compare();
}

TEST_F(heap_order, AKeyThatIsDeletedAndInsertedAgainElsewhere) {
    start();
    copy(from_start_to(4));
    sql().execute("DELETE FROM t WHERE id = 7; INSERT INTO t VALUES (7, 7, repeat('y', 1500))");
    ASSERT_GT(block_of(7), 4);
    copy(after(4));
    EXPECT_EQ(copies_of(7), 2);
    finish_and_compare();
}

TEST_F(heap_order, ARowThatMovesAgainAndAgainAndIsDeleted) {
    start();
    copy(from_start_to(2));
    sql().execute("UPDATE t SET u = 1007 WHERE id = 7");
    copy({end_of(2), end_of(10)});
    sql().execute("UPDATE t SET v = repeat('z', 1501) WHERE id = 7; DELETE FROM t WHERE id = 7");
    copy(after(10));
    EXPECT_GE(copies_of(7), 1);
    finish_and_compare();
    EXPECT_EQ(copies_of(7), 0);
}

TEST_F(heap_order, ChangesAfterTheMovedRowsAreDeletedAddNoRowBeforeReplay) {
    start();
    copy(from_start_to(4));
    sql().execute("UPDATE t SET u = 1007 WHERE id = 7");
    copy(after(4));
    await(pgeist::replay::delete_moved_rows(work()));
    sql().execute(
        "UPDATE t SET u = 1008 WHERE id = 8; INSERT INTO t VALUES (60, 60, 'new'); UPDATE t SET id = 70 WHERE id = 7");
    build();
    expect_equal();
}

TEST_F(heap_order, AChunkOfARewrittenTableIsNotCopied) {
    start("DELETE FROM t WHERE id < 20");
    copy(from_start_to(6));
    sql().execute("VACUUM FULL t");  // rows of later blocks move to those already copied
    EXPECT_THROW(copy(after(6)), transfer::source_rewritten);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.chunks WHERE kind = 'copy'"), 1);
}

TEST_F(heap_order, ACopyWhoseMissingBlocksWereRewrittenIntoCopiedOnesHasNotEnded) {
    start("DELETE FROM t WHERE id < 20");
    copy(from_start_to(6));
    sql().execute("VACUUM FULL t");  // all 31 rows lie in blocks 0 to 6 now
    EXPECT_THROW(await(pgeist::copy::copy_all(work())), transfer::source_rewritten);
}

TEST_F(heap_order, AResumedCopyCopiesOnlyBlocksThatAreMissing) {
    start();
    copy(from_start_to(2));
    copy({end_of(5), end_of(7)});
    const std::string place = "SELECT ctid || ' ' || xmin FROM " + plan().shadow().sql() + " WHERE id = 33";
    const std::string copied = sql().scalar(place);
    await(pgeist::copy::copy_all(work()));
    EXPECT_EQ(sql().scalar(place), copied);
    expect_equal();
    finish_and_compare();
}

TEST_F(heap_order, ChunksAreReadByTheirBlocks) {
    start();
    const walk::bound_sql chunk = copy::chunk_sql(transfer(), {end_of(2), end_of(5)});
    const std::string plan_text = explained(chunk.sql, {"(2,65535)", "(5,65535)"});
    EXPECT_NE(plan_text.find("Tid Range Scan on t"), std::string::npos) << plan_text;
}

TEST_F(heap_order, ReplayFindsRowsByTheirKeyAlsoWhereTheShadowSeemsEmpty) {
    start();
    copy_all();
    sql().execute("UPDATE t SET u = u + 1000");
    await(pgeist::replay::delete_moved_rows(work()));
    await(build::build_key_index(work()));  // of an empty table: so the planner believes from now on
    sql().execute("INSERT INTO t SELECT i, i, 'new' FROM generate_series(2000, 9000) i");
    const std::string deletes = explained(replay::delete_sql(transfer(), replay::selection()));
    EXPECT_NE(deletes.find("Tid Scan on t"), std::string::npos) << deletes;
    EXPECT_NE(deletes.find("Index Cond: (id ="), std::string::npos) << deletes;
    EXPECT_EQ(deletes.find("Join Filter"), std::string::npos) << deletes;
    const std::string inserts = explained(replay::insert_sql(transfer(), replay::selection()));
    EXPECT_NE(inserts.find("Index Cond: (id ="), std::string::npos) << inserts;
    EXPECT_EQ(inserts.find("Join Filter"), std::string::npos) << inserts;
    build();
    expect_equal();
}

TEST_F(heap_order, MovedRowsAreDeletedAlsoWhereAllTablesArePublished) {
    start();
    copy_all();
    sql().execute("UPDATE t SET u = u + 1000 WHERE id < 10; CREATE PUBLICATION everything FOR ALL TABLES");
    const std::string identity =
        "SELECT relreplident FROM pg_class WHERE oid = '" + plan().shadow().sql() + "'::regclass";
    const std::string before = sql().scalar(identity);
    await(pgeist::replay::delete_moved_rows(work()));
    EXPECT_EQ(sql().scalar(identity), before);
    EXPECT_EQ(copies_of(5), 0);
    finish_and_compare();
}

TEST_F(heap_order, RangesCoverEveryBlockOnceAndNoneThatIsAppended) {
    start();
    walk::row_density density;
    walk::block_cutter cutter(session(), plan().table, plan().source_oid, density,
                              {{std::nullopt, end_of(1)}, {end_of(3), std::nullopt}});
    std::int64_t next = 0;
    int ranges = 0;
    while (auto range = await(cutter.next(5))) {
        ASSERT_TRUE(range->upper);
        EXPECT_EQ(walk::first_block(*range), next);
        density.measured(*range, 5 * (*walk::last_block(*range) - next + 1));
        next = *walk::last_block(*range) + 1;
        next = next == 2 ? 4 : next;  // what was finished before
        if (++ranges == 2) {
            sql().execute("INSERT INTO t SELECT i, i, repeat('x', 1500) FROM generate_series(101, 200) i");
        }
    }
    EXPECT_EQ(next, 10);
    walk::block_cutter later(session(), plan().table, plan().source_oid, density, {{end_of(9), std::nullopt}});
    const auto appended = await(later.next(1000));
    ASSERT_TRUE(appended);
    EXPECT_EQ(walk::first_block(*appended), 10);
    EXPECT_FALSE(await(later.next(1000)));
}

TEST(row_density, ForgetsAnEmptyStretch) {
    const auto range = [](std::int64_t first) {
        return walk::key_range{at("(" + std::to_string(first) + ",65535)"),
                               at("(" + std::to_string(first + 4000) + ",65535)")};
    };
    walk::row_density density;
    density.estimated(1'000'000, 10'000);
    for (std::int64_t block = 0; block < 1'000'000; block += 4000) {
        density.measured(range(block), 0);
        EXPECT_GE(density.blocks_for(10'000), 100) << block;
        EXPECT_LE(density.blocks_for(10'000), 4096) << block;
    }
    EXPECT_EQ(density.blocks_for(10'000), 4096);
    for (std::int64_t block = 0; block < 40'000; block += 4000) {
        density.measured(range(block), 400'000);
    }
    EXPECT_LT(density.blocks_for(10'000), 200);
    EXPECT_GE(density.blocks_for(10'000), 100);
}

}  // namespace
}  // namespace pgeist::test
