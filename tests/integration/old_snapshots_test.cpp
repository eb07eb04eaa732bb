// Which snapshots the swap waits for.

#include "pgeist/swap/old_snapshots.hpp"
#include "job_test.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

class old_snapshots : public job_test {};

// A transaction may have several snapshots: the oldest one's end says nothing of the others.
TEST_F(old_snapshots, ATransactionWithCursorsIsWaitedForUntilItsLastOldOneIsClosed) {
    auto reader = db().connect();
    const auto next_transaction = [&] { sql().execute("SELECT pg_current_xact_id()"); };
    reader.execute("BEGIN; DECLARE first CURSOR FOR SELECT 1");
    next_transaction();
    reader.execute("DECLARE second CURSOR FOR SELECT 1");
    next_transaction();
    auto held = await(swap::old_snapshots::taken_now(session()));
    reader.execute("CLOSE first");
    EXPECT_EQ(await(held.still_held(session())).size(), 1U);
    next_transaction();
    reader.execute("DECLARE third CURSOR FOR SELECT 1");
    EXPECT_EQ(await(held.still_held(session())).size(), 1U);
    reader.execute("CLOSE second");
    EXPECT_TRUE(await(held.still_held(session())).empty()) << "the third one is new";
}

// Where nobody writes, its xmin is the very transaction that comes next.
TEST_F(old_snapshots, OneTakenSinceTheLastWriteIsWaitedForToo) {
    auto reader = db().connect();
    sql().execute("SELECT pg_current_xact_id()");
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    auto held = await(swap::old_snapshots::taken_now(session()));
    EXPECT_EQ(await(held.still_held(session())).size(), 1U);
    reader.execute("COMMIT");
    EXPECT_TRUE(await(held.still_held(session())).empty());
}

TEST_F(old_snapshots, OneThatAnotherSessionImportsMeanwhileIsStillHeld) {
    auto first = db().connect();
    auto second = db().connect();
    first.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
    const std::string snapshot = first.scalar("SELECT pg_export_snapshot()");
    const std::string next = first.scalar("SELECT pg_snapshot_xmax(pg_current_snapshot())");
    wait_for("older transactions of the server to end", [&] {
        sql().execute("SELECT pg_current_xact_id()");
        return sql().scalar("SELECT pg_snapshot_xmin(pg_current_snapshot()) > '" + next + "'::xid8") == "t";
    });
    auto held = await(swap::old_snapshots::taken_now(session()));
    second.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '" + snapshot + "'");
    first.execute("COMMIT");
    EXPECT_EQ(await(held.still_held(session())).size(), 1U);
    second.execute("COMMIT");
    EXPECT_TRUE(await(held.still_held(session())).empty());
}

}  // namespace
}  // namespace pgeist::test
