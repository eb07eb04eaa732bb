// Looking for what others do to the source, beside the work of a run.

#include "pgeist/run/source_watch.hpp"
#include "job_test.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::test {
namespace {

class source_watch : public job_test {
protected:
    void SetUp() override {
        job_test::SetUp();
        if (IsSkipped() || HasFatalFailure()) {
            return;
        }
        sql().execute("CREATE TABLE t (id int PRIMARY KEY)");
        prepare("t", {"ALTER COLUMN id TYPE bigint"});
        capture();
    }

    /// The run's work, which ends as soon as the look stands before a lock.
    awaitable<void> end_when_blocked(const pg::connection& watching) {
        const std::string pid = std::to_string(watching.backend_pid());
        for (int looks = 0; looks < 6000; ++looks) {
            const bool blocked =
                sql().number("SELECT count(*) FROM pg_locks WHERE pid = $1 AND NOT granted", {pid}) == 1;
            if (blocked) {
                co_return;
            }
            co_await pg::sleep_for(std::chrono::milliseconds(5));
        }
        throw wait_failed("nobody looks at the triggers");
    }

    static awaitable<void> look_once(run::source_watch& watch, pg::connection& session, bool& came_back) {
        co_await watch.look(session);
        came_back = true;
    }
};

// After the swap a difference is the swap's own; that the run has ended is not one.
TEST_F(source_watch, EndsWithTheRunAlsoInTheMiddleOfALookAfterTheSwap) {
    sql().execute("UPDATE pgeist.jobs SET phase = 'finish'");
    auto other = db().connect();
    other.execute("BEGIN; LOCK TABLE pg_catalog.pg_trigger IN ACCESS EXCLUSIVE MODE");
    job::identity known;
    const job::phase reached = job::phase::swap;
    run::source_watch watch(work(), known, reached);
    bool came_back = false;
    std::vector<awaitable<void>> beside;
    beside.push_back(look_once(watch, session(), came_back));
    await(pg::run_beside(end_when_blocked(session()), std::move(beside)));
    EXPECT_FALSE(came_back) << "it took the end of the run for something that the swap explains";
    other.execute("ROLLBACK");
}

TEST_F(source_watch, TellsOfTriggersThatAreGone) {
    sql().execute("DROP TRIGGER " + plan().job_schema + "_update ON t");
    job::identity known;
    const job::phase reached = job::phase::copy;
    run::source_watch watch(work(), known, reached);
    EXPECT_THROW(await(watch.look(session())), error);
}

}  // namespace
}  // namespace pgeist::test
