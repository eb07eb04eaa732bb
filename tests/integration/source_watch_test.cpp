// Looking for what others do to the source, beside the work of a run.

#include "pgeist/tasks/rewrite/source_watch.hpp"
#include "job_test.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"

namespace pgeist::test {
namespace {

/// Nobody steers.
class nobody : public task::controls {
public:
    void waits_for(std::optional<std::string>) override {}
    [[nodiscard]] awaitable<void> before_chunk(std::int64_t, std::chrono::nanoseconds) override { co_return; }
    [[nodiscard]] awaitable<void> before_batch(std::int64_t, std::chrono::nanoseconds) override { co_return; }
    [[nodiscard]] std::optional<std::string> postponed() const override { return std::nullopt; }
    void waits_for_permission(bool) override {}
    void effect_is(task::effect) override {}
    [[nodiscard]] task::effect effect_state() const override { return task::effect::to_come; }
    [[nodiscard]] bool comparison_asked() const override { return false; }
    [[nodiscard]] std::optional<std::int64_t> take_comparison() override { return std::nullopt; }
};

class source_watch : public job_test {
protected:
    nobody nobody_;

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

    static const task::phase& phase(const char* name) { return rewrite::kind().phase_named(name); }

    static awaitable<void> look_once(rewrite::source_watch& watch, pg::connection& session, bool& came_back) {
        co_await watch.look(session, phase("swap"));
        came_back = true;
    }
};

// After the swap a difference is the swap's own; that the run has ended is not one.
TEST_F(source_watch, EndsWithTheRunAlsoInTheMiddleOfALookAfterTheSwap) {
    sql().execute("UPDATE pgeist.jobs SET phase = 'finish'");
    auto other = db().connect();
    other.execute("BEGIN; LOCK TABLE pg_catalog.pg_trigger IN ACCESS EXCLUSIVE MODE");
    rewrite::source_watch watch(work(), rewrite::kind(), nobody_);
    bool came_back = false;
    std::vector<awaitable<void>> beside;
    beside.push_back(look_once(watch, session(), came_back));
    await(pg::run_beside(end_when_blocked(session()), std::move(beside)));
    EXPECT_FALSE(came_back) << "it took the end of the run for something that the swap explains";
    other.execute("ROLLBACK");
}

TEST_F(source_watch, TellsOfTriggersThatAreGone) {
    sql().execute("DROP TRIGGER " + plan().job_schema + "_update ON t");
    rewrite::source_watch watch(work(), rewrite::kind(), nobody_);
    EXPECT_THROW(await(watch.look(session(), phase("copy"))), error);
}

}  // namespace
}  // namespace pgeist::test
