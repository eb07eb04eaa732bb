// Which snapshots the swap waits for.

#include "pgeist/swap/old_snapshots.hpp"
#include "job_test.hpp"

namespace pgeist::test {
namespace {

class old_snapshots : public job_test {};

// A transaction may have several snapshots: the oldest one's end says nothing of the others.
TEST_F(old_snapshots, ATransactionWithCursorsIsWaitedForUntilItsLastOldOneIsClosed) {
    auto reader = db().connect();
    // Beyond which a new snapshot is: an older transaction of anybody on the server would be its xmin, too.
    const auto next_transaction = [&] {
        const std::string last = sql().scalar("SELECT pg_current_xact_id()");
        wait_for("older transactions of the server to end", [&] {
            return sql().scalar("SELECT pg_snapshot_xmin(pg_current_snapshot()) > '" + last + "'::xid8") == "t";
        });
    };
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

// Also behind a writer, whose transaction is then everybody's xmin.
TEST_F(old_snapshots, OneThatAnotherSessionImportsMeanwhileIsStillHeld) {
    auto writer = db().connect();
    auto first = db().connect();
    auto second = db().connect();
    writer.execute("BEGIN; SELECT pg_current_xact_id()");
    first.execute("BEGIN ISOLATION LEVEL REPEATABLE READ");
    const std::string snapshot = first.scalar("SELECT pg_export_snapshot()");
    auto held = await(swap::old_snapshots::taken_now(session()));
    second.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '" + snapshot + "'");
    first.execute("COMMIT");
    EXPECT_EQ(await(held.still_held(session())).size(), 1U);
    EXPECT_EQ(await(held.still_held(session())).size(), 1U);
    second.execute("COMMIT; BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    EXPECT_TRUE(await(held.still_held(session())).empty()) << "another transaction of the same session";
}

}  // namespace
}  // namespace pgeist::test
