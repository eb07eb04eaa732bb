// Which snapshots the swap waits for.

#include "pgeist/swap/old_snapshots.hpp"
#include "job_test.hpp"

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

}  // namespace
}  // namespace pgeist::test
