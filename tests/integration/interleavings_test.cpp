// Each interleaving of copy, replay and writers that the invariant has to survive, one test each, stepped by hand.

#include "job_test.hpp"
#include "pgeist/build/index_builder.hpp"
#include "pgeist/lock/table_lock.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/transfer/replay/change_log.hpp"
#include "pgeist/transfer/replay/replay_sql.hpp"
#include "pgeist/transfer/replay/replayer.hpp"
#include "pgeist/transfer/shared/in_snapshot.hpp"

namespace pgeist::test {
namespace {

class interleavings : public job_test {
protected:
    /// A table of 20 rows with a unique column, its job with triggers in place.
    void start(const std::string& alter = "ALTER COLUMN id TYPE bigint") {
        sql().execute(
            "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v text);"
            "INSERT INTO t SELECT i, i, 'v' || i FROM generate_series(1, 20) i");
        prepare("t", {alter});
        capture();
    }
};

TEST_F(interleavings, AnUpdateCommittedAfterTheChunksSnapshotIsReplayed) {
    start();
    auto writer = db().connect();
    writer.execute("BEGIN; UPDATE t SET v = 'late' WHERE id = 7");
    copy_all();
    writer.execute("COMMIT");
    EXPECT_EQ(sql().scalar("SELECT v FROM " + plan().shadow().sql() + " WHERE id = 7"), "v7");
    build();
    EXPECT_EQ(sql().scalar("SELECT v FROM " + plan().shadow().sql() + " WHERE id = 7"), "late");
    expect_equal();
}

TEST_F(interleavings, ARowDeletedWhileItsChunkIsCopiedStaysDead) {
    start();
    auto writer = db().connect();
    writer.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1; DELETE FROM t WHERE id = 7");
    copy_all();
    writer.execute("COMMIT");
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().shadow().sql()), 20);
    build();
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().shadow().sql()), 19);
    expect_equal();
}

TEST_F(interleavings, ARowThatMovesFromACopiedChunkToOneNotYetCopiedIsThereOnce) {
    start();
    copy(walk::key_range{std::nullopt, at("10")});
    sql().execute("UPDATE t SET id = 100 WHERE id = 5");
    copy(walk::key_range{at("10"), std::nullopt});
    build();
    expect_equal();
}

TEST_F(interleavings, ARowThatMovesFromAChunkNotYetCopiedToACopiedOneIsThereOnce) {
    start();
    copy(walk::key_range{std::nullopt, at("10")});
    sql().execute("UPDATE t SET id = 0 WHERE id = 15");
    copy(walk::key_range{at("10"), std::nullopt});
    build();
    expect_equal();
}

TEST_F(interleavings, AKeyThatIsDeletedAndInsertedAgainInOneTransactionHasItsNewRow) {
    start();
    copy_all();
    build();
    sql().execute("BEGIN; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (3, 300, 'again'); COMMIT");
    replay();
    expect_equal();
}

TEST_F(interleavings, AUniqueValueThatMovedBetweenTwoChunksBlocksTheIndexUntilTheConsistentPoint) {
    start();
    copy(walk::key_range{std::nullopt, at("10")});
    sql().execute("UPDATE t SET u = 1000 WHERE id = 5; UPDATE t SET u = 5 WHERE id = 15");
    copy(walk::key_range{at("10"), std::nullopt});
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().shadow().sql() + " WHERE u = 5"), 2);
    await(build::build_key_index(work()));
    EXPECT_THROW(await(build::build_indexes(work())), error);
    replay::replayer changes(work());
    await(changes.reach_consistent_point());
    await(build::build_indexes(work()));
    expect_equal();
}

TEST_F(interleavings, UniqueValuesSwappedBetweenRowsAreReplayedThoughABatchCutsThemInTwo) {
    start();
    copy_all();
    build();
    // Two keys of different shares, so that a batch of one share sees only half of the swap.
    const auto share = [&](int id) {
        return sql().number("SELECT (hash_record_extended(ROW(" + std::to_string(id) + "), 0) & 2147483647) % 2");
    };
    int other = 2;
    while (share(other) == share(1)) {
        ++other;
    }
    sql().execute("BEGIN; UPDATE t SET u = -1 WHERE id = 1; UPDATE t SET u = 1 WHERE id = " + std::to_string(other) +
                  "; UPDATE t SET u = " + std::to_string(other) + " WHERE id = 1; COMMIT");
    replay::selection half;
    half.part.count = 2;
    half.part.number = static_cast<int>(share(1));
    await(session().begin(pg::isolation::repeatable_read));
    try {
        await(replay::apply(session(), transfer(), half));
        ADD_FAILURE() << "half of a swap must violate the unique index";
    } catch (const pg::sql_error& failure) {
        EXPECT_EQ(failure.sqlstate(), pg::sqlstate::unique_violation);
    }
    await(session().rollback());
    replay();
    expect_equal();
}

TEST_F(interleavings, AWriteBetweenTheStatementsOfABatchIsLeftForTheNext) {
    start();
    copy_all();
    build();
    sql().execute("UPDATE t SET v = 'first' WHERE id = 4");
    const replay::selection all;
    await(session().begin(pg::isolation::repeatable_read));
    await(session().query(replay::delete_sql(transfer(), all)));
    sql().execute(
        "UPDATE t SET v = 'second' WHERE id = 4; DELETE FROM t WHERE id = 5; INSERT INTO t VALUES (21, 21, 'new')");
    await(session().query(replay::insert_sql(transfer(), all)));
    await(session().query(replay::forget_sql(transfer(), all)));
    await(session().commit());
    EXPECT_EQ(sql().scalar("SELECT v FROM " + plan().shadow().sql() + " WHERE id = 4"), "first");
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().job_schema + ".pgeist_log"), 3);
    replay();
    expect_equal();
}

TEST_F(interleavings, AChangeThatCommitsInABlockAlreadyReplayedIsFoundByTheNextPass) {
    start();
    copy_all();
    build();
    auto late = db().connect();
    late.execute("BEGIN; UPDATE t SET v = 'late' WHERE id = 1");  // its log row lies in the first block
    sql().execute("UPDATE t SET v = v || '!' WHERE id > 1");
    replay();
    late.execute("COMMIT");
    replay();
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().job_schema + ".pgeist_log"), 0);
    expect_equal();
}

TEST_F(interleavings, RolledBackChangesLeaveNoTrace) {
    start();
    copy_all();
    build();
    sql().execute(
        "BEGIN; UPDATE t SET id = id + 100; ROLLBACK;"
        "BEGIN; SAVEPOINT a; DELETE FROM t; ROLLBACK TO a; UPDATE t SET v = 'kept' WHERE id = 2; COMMIT");
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().job_schema + ".pgeist_log"), 1);
    replay();
    expect_equal();
}

TEST_F(interleavings, SharesOfTheKeysAreDisjointAndComplete) {
    start();
    sql().execute("UPDATE t SET v = v");
    std::int64_t rows = 0;
    for (int number = 0; number < 3; ++number) {
        replay::selection share;
        share.part.number = number;
        share.part.count = 3;
        rows += sql().number("SELECT count(*) FROM " + plan().job_schema + ".pgeist_log AS l" +
                             replay::condition(transfer(), share));
    }
    EXPECT_EQ(rows, 20);
}

TEST_F(interleavings, CaptureWaitsForWritersThatAreOpen) {
    sql().execute("CREATE TABLE t (id int PRIMARY KEY)");
    prepare("t", {"ADD COLUMN w int"});
    auto writer = db().connect();
    writer.execute("BEGIN; INSERT INTO t VALUES (1)");
    lock::target target;
    target.tables.push_back(plan().table);
    target.mode = lock::mode::share_row_exclusive;
    lock::attempt nowait;
    EXPECT_FALSE(await(lock::try_lock(session(), target, nowait)));
    lock::attempt shortly;
    shortly.timeout = std::chrono::milliseconds(30);
    EXPECT_FALSE(await(lock::try_lock(session(), target, shortly)));
    const auto blockers = await(lock::find_blockers(session(), target, 0));
    ASSERT_EQ(blockers.size(), 1U);
    EXPECT_EQ(blockers[0].pid, writer.backend_pid());
    writer.execute("COMMIT");
    EXPECT_TRUE(await(lock::try_lock(session(), target, nowait)));
    await(session().rollback());
}

// Whose check strikes first is ended.
TEST_F(interleavings, AWaitWithLocksIsShorterThanTheDeadlockTimeoutOfAnyRole) {
    lock::policy rules;
    await(lock::fit_to_server(session(), rules));
    const auto usual = rules;
    for (const auto& [time, longest] : {std::pair{"'90 ms'", 72}, std::pair{"50", 40}, std::pair{"'1 h'", 40}}) {
        sql().execute("ALTER ROLE " + db().create_role("app" + std::to_string(longest) + time[1]) + " IN DATABASE " +
                      db().name() + " SET deadlock_timeout = " + time);
        await(lock::fit_to_server(session(), rules));
        EXPECT_EQ(rules.longest_timeout.count(), longest) << time;
        EXPECT_EQ(rules.vacuum_timeout, usual.vacuum_timeout) << "it is our own check that ends an autovacuum";
    }
}

awaitable<void> lock_both(pg::connection& session, lock::target target, lock::attempt how, lock::lock_result& got) {
    got = co_await lock::try_locks(session, target, how);
}

awaitable<void> lock_meanwhile(sync_connection& observer, int waiting, sync_connection& second,
                               sync_connection& first) {
    while (observer.number("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " + std::to_string(waiting)) ==
           0) {
        co_await pg::sleep_for(std::chrono::milliseconds(5));
    }
    first.execute("BEGIN; SET LOCAL lock_timeout = '2s'; LOCK TABLE t IN SHARE ROW EXCLUSIVE MODE; ROLLBACK");
    second.execute("COMMIT");
}

// Somebody who has locked the second table strongly, and now wants the first, is not kept waiting by who waits for the
// second: that would be a circle, and he the one who is ended.
TEST_F(interleavings, NothingIsHeldWhileAutovacuumIsWaitedFor) {
    sql().execute("CREATE TABLE t (id int); CREATE TABLE u (id int)");
    lock::target target;
    target.tables = {qualified_name{"public", "t"}, qualified_name{"public", "u"}};
    lock::attempt how;
    how.timeout = std::chrono::milliseconds(30);
    how.vacuum_timeout = std::chrono::seconds(30);
    auto second = db().connect();
    second.execute("BEGIN; LOCK TABLE u IN SHARE ROW EXCLUSIVE MODE");
    auto first = db().connect();
    lock::lock_result got = lock::lock_result::blocked;
    std::vector<awaitable<void>> all;
    all.push_back(lock_meanwhile(sql(), session().backend_pid(), second, first));
    all.push_back(lock_both(session(), target, how, got));
    await(pg::run_all(std::move(all)));
    EXPECT_EQ(got, lock::lock_result::locked);
    await(session().rollback());
}

TEST_F(interleavings, OfSequenceAndTableTheFirstIsAskedForFirst) {
    sql().execute("CREATE TABLE t (id serial PRIMARY KEY)");
    lock::target target;
    target.tables.push_back(qualified_name{"public", "t"});
    target.sequences = await(lock::lock_owned_sequences(session(), sql().number("SELECT 't'::regclass::oid")));
    ASSERT_EQ(target.sequences.size(), 1U);
    lock::attempt shortly;
    shortly.timeout = std::chrono::milliseconds(30);
    const auto got = [&](bool tables_first, lock::attempt how) {
        target.tables_first = tables_first;
        const lock::lock_result result = await(lock::try_locks(session(), target, how));
        await(session().rollback());
        return result;
    };
    const lock::attempt nowait;
    auto other = db().connect();
    other.execute("BEGIN; SELECT nextval('t_id_seq')");
    EXPECT_TRUE(await(lock::is_drawn_ahead(session(), target)));
    for (const lock::attempt& how : {nowait, shortly}) {
        EXPECT_EQ(got(false, how), lock::lock_result::blocked);
        EXPECT_EQ(got(true, how), lock::lock_result::blocked_half_way);
    }
    other.execute("INSERT INTO t DEFAULT VALUES");  // as one that has drawn its number by the default
    EXPECT_FALSE(await(lock::is_drawn_ahead(session(), target)));
    other.execute("COMMIT; BEGIN; UPDATE t SET id = id");
    EXPECT_FALSE(await(lock::is_drawn_ahead(session(), target)));
    for (const lock::attempt& how : {nowait, shortly}) {
        EXPECT_EQ(got(false, how), lock::lock_result::blocked_half_way);
        EXPECT_EQ(got(true, how), lock::lock_result::blocked);
    }
    other.execute("COMMIT");
    for (const bool tables_first : {false, true}) {
        EXPECT_EQ(got(tables_first, nowait), lock::lock_result::locked);
        EXPECT_EQ(got(tables_first, shortly), lock::lock_result::locked);
    }
}

namespace {

/// A process that has lost the job stands with its snapshot, before it reads the log.
awaitable<void> take_over_meanwhile(sync_connection& other, pg::connection& mine, const std::string& log) {
    other.execute("SET lock_timeout = '100ms'");
    // What begin_tenure() of the process that takes the job on, and could change the log, has to do first.
    EXPECT_EQ(other.sqlstate_of("UPDATE pgeist.jobs SET incarnation = incarnation + 1"), "55P03");
    const pg::result seen = co_await mine.query("SELECT count(*) FROM " + log);
    EXPECT_EQ(seen.integer(0, 0), 20);
}

}  // namespace

TEST_F(interleavings, NobodyChangesTheLogUnderASnapshotOfTheJobs) {
    start();
    copy_all();
    sql().execute("UPDATE t SET v = v");
    auto other = db().connect();
    const std::string log = plan().job_schema + ".pgeist_log";
    const auto body = [&] { return take_over_meanwhile(other, session(), log); };
    await(transfer::in_snapshot(session(), work(), body));
    EXPECT_EQ(other.sqlstate_of("UPDATE pgeist.jobs SET incarnation = incarnation + 1"), "");
    EXPECT_THROW(await(transfer::in_snapshot(session(), work(), body)), error) << "it has lost the job";
}

// The log that VACUUM left long says nothing of the one that took its place.
TEST_F(interleavings, ANewLogIsVacuumedLikeAnyOther) {
    start();
    copy_all();
    build();
    const std::string log = plan().job_schema + ".pgeist_log";
    sql().execute("CREATE TABLE other (n int)");
    auto old = db().connect();
    old.execute("BEGIN; INSERT INTO other VALUES (1)");  // keeps VACUUM from removing anything
    sql().execute("BEGIN; INSERT INTO " + log + " SELECT 0 FROM generate_series(1, 1400000); DELETE FROM " + log +
                  "; COMMIT");
    replay::replayer changes(work());
    await(changes.vacuum());
    ASSERT_GT(sql().number("SELECT pg_table_size('" + log + "')"), 40 << 20);
    EXPECT_TRUE(await(replay::replace_log(work(), session(), lock::attempt())));
    changes.log_was_changed();
    old.execute("COMMIT");
    sql().execute("INSERT INTO " + log + " SELECT 0 FROM generate_series(1, 230000)");
    await(changes.pass());
    EXPECT_LT(sql().number("SELECT pg_table_size('" + log + "')"), 4 << 20);
}

TEST_F(interleavings, ATruncateDuringTheCopyIsNoticed) {
    start();
    copy(walk::key_range{std::nullopt, at("10")});
    sql().execute("TRUNCATE t; INSERT INTO t VALUES (1, 1, 'after')");
    replay::replayer changes(work());
    EXPECT_THROW(await(changes.pass()), transfer::source_truncated);
    EXPECT_THROW(await(changes.reach_consistent_point()), transfer::source_truncated);
}

TEST_F(interleavings, WritesUnderReplicaRoleAndByOtherRolesAreCaptured) {
    start();
    const std::string role = db().create_role("app");
    sql().execute("GRANT SELECT, INSERT, UPDATE, DELETE ON t TO " + role);
    copy_all();
    sql().execute(
        "SET session_replication_role = replica; UPDATE t SET v = 'replica' WHERE id = 1; RESET "
        "session_replication_role");
    auto application = db().connect_as(role);
    application.execute(
        "UPDATE t SET v = 'app' WHERE id = 2; DELETE FROM t WHERE id = 3; INSERT INTO t VALUES (30, 30, 'x')");
    build();
    expect_equal();
}

}  // namespace
}  // namespace pgeist::test
