// What is stored with a job, and who may work on it.

#include "job_test.hpp"
#include "pgeist/job/checkpoints.hpp"
#include "pgeist/job/source_file.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/task/progress.hpp"
#include "pgeist/transfer/copy/copier.hpp"

namespace pgeist::test {
namespace {

class job_store : public job_test {
protected:
    void SetUp() override {
        job_test::SetUp();
        if (IsSkipped() || HasFatalFailure()) {
            return;
        }
        sql().execute(
            "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT g, g FROM generate_series(1, 100) g");
        prepare("t", {"ALTER COLUMN id TYPE bigint"});
    }
};

TEST_F(job_store, ReadsBackWhatWasStored) {
    const job::record stored = await(job::load(session(), work().job));
    EXPECT_EQ(stored.kind, "copy");
    EXPECT_EQ(stored.phase, "capture");
    ASSERT_TRUE(stored.plan);
    EXPECT_EQ(plan::to_json(plan::blueprint_from_json(*stored.plan)), plan::to_json(plan()));
    EXPECT_EQ(plan::change_request_from_json(stored.change).alters,
              std::vector<std::string>{"ALTER COLUMN id TYPE bigint"});
}

TEST_F(job_store, GivesChunksBackInKeyOrderWhateverTheirNumbersLookLikeAsText) {
    capture();
    copy(walk::key_range{at("9"), at("50")});
    copy(walk::key_range{std::nullopt, at("9")});
    const auto chunks = await(job::load_chunks(session(), work().job, "copy", plan().key));
    EXPECT_EQ(chunks.rows, 50);
    EXPECT_EQ(walk::gaps(chunks.ranges), (std::vector<walk::key_range>{{at("50"), std::nullopt}}));
}

TEST_F(job_store, AResumedCopyCopiesOnlyWhatIsMissing) {
    capture();
    copy(walk::key_range{at("20"), at("40")});
    copy(walk::key_range{std::nullopt, at("10")});
    await(copy::copy_all(work()));
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().shadow().sql()), 100);
    EXPECT_EQ(sql().number("SELECT sum(rows) FROM pgeist.chunks WHERE kind = 'copy'"), 100);
    expect_equal();
}

TEST_F(job_store, AChunkAndItsCheckpointAreOneTransaction) {
    capture();
    sql().execute("ALTER TABLE pgeist.chunks ADD CONSTRAINT no_more CHECK (rows < 5)");
    EXPECT_THROW(copy(walk::key_range{}), error);
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().shadow().sql()), 0);
}

TEST_F(job_store, OnlyOneSessionHoldsAJob) {
    job::advisory_locks other(await(work().pool.open_own("the other")));
    const auto by = await(other.take_job(work().job));
    ASSERT_TRUE(by);
    EXPECT_EQ(by->application, "pgeist test hold");
    EXPECT_TRUE(await(other.take_table(plan().source_oid)));
}

TEST_F(job_store, HeartbeatsReportAndReadWhatOthersAsk) {
    const std::string job = std::to_string(work().job);
    sql().query("SELECT pgeist.steer($1, 'pause')", {job});
    sql().query("SELECT pgeist.steer($1, 'set', 'workers', '4')", {job});
    sql().query("SELECT pgeist.steer($1, 'set', 'nice', '1')", {job});
    job::heartbeat beat;
    beat.rows_done = 7;
    beat.throttled = "replica lag";
    const job::control_request asked = await(job::beat(session(), work().tenure(), beat));
    EXPECT_TRUE(asked.paused);
    EXPECT_FALSE(asked.cancel);
    EXPECT_EQ(asked.number, 3);
    ASSERT_EQ(asked.values.size(), 2U);
    EXPECT_EQ(asked.values[0].name, "workers");
    EXPECT_EQ(asked.values[0].value, "4");
    EXPECT_EQ(asked.values[0].number, 2);
    EXPECT_EQ(asked.values[1].by, asked.by);
    EXPECT_EQ(await(job::read_answers(session(), work().job))->obeyed, 0);
    await(job::acknowledge(session(), work().tenure(), asked.number, run::settings()));
    EXPECT_EQ(await(job::read_answers(session(), work().job))->obeyed, 3);
    EXPECT_FALSE(await(job::read_answers(session(), 999)));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.events WHERE event IN ('pause', 'set')"), 3);
    EXPECT_EQ(sql().scalar("SELECT throttled FROM pgeist.jobs"), "replica lag");
}

// The count goes on: nobody takes the answer to a later request for his own.
TEST_F(job_store, RequestsOfBeforeAreForgottenByWhoTakesTheJobOnAnew) {
    const std::int64_t id = work().job;
    const std::string job = std::to_string(id);
    sql().query("SELECT pgeist.steer($1, 'pause')", {job});
    sql().query("SELECT pgeist.steer($1, 'set', 'workers', '4')", {job});
    sql().query("SELECT pgeist.steer($1, 'verify')", {job});
    await(job::begin_tenure(session(), id));
    EXPECT_TRUE(await(job::load(session(), id)).asked.paused) << "the same process goes on";
    const job::tenure mine = await(job::begin_tenure(session(), id, job::requests::forget));
    const job::record now = await(job::load(session(), id));
    EXPECT_EQ(now.incarnation, mine.incarnation);
    EXPECT_FALSE(now.asked.paused);
    EXPECT_EQ(now.asked.verify, 0);
    EXPECT_TRUE(now.asked.values.empty());
    EXPECT_EQ(now.obeyed, 3);
    EXPECT_EQ(await(job::read_answers(session(), id))->forgotten, 3);
    EXPECT_FALSE(await(job::last_comparison(session(), id))) << "nobody has compared";
    EXPECT_EQ(sql().number("SELECT pgeist.steer($1, 'pause')", {job}), 4);
    EXPECT_EQ(await(job::load(session(), id)).asked.number, 4);
}

// A process that has lost its hold without knowing changes nothing any more, whichever step it is at.
TEST_F(job_store, NothingIsWrittenByATenureThatHasEnded) {
    const job::tenure before = work().tenure();
    const std::string state = "SELECT md5(string_agg(j::text, '')) FROM pgeist.jobs j";
    sql().query("INSERT INTO pgeist.chunks (job, kind, rows) VALUES ($1, 'copy', 5)", {std::to_string(before.job)});
    await(job::begin_tenure(session(), before.job));
    const std::string untouched = sql().scalar(state);
    const auto refused = [&](awaitable<void> step) {
        try {
            await(std::move(step));
        } catch (const error& problem) {
            return problem.code() == exit_code::already_running;
        }
        return false;
    };
    EXPECT_TRUE(refused(job::require_tenure(session(), before)));
    EXPECT_TRUE(refused(job::save_phase(session(), before, "verify")));
    EXPECT_TRUE(refused(job::save_source_file(session(), before, plan().source_oid)));
    EXPECT_TRUE(refused(job::save_result(session(), before, plan().source_oid, "x")));
    EXPECT_TRUE(refused(job::forget_chunks(session(), before, "copy")));
    EXPECT_TRUE(refused(job::save_settings(session(), before, run::settings())));
    EXPECT_TRUE(refused(job::acknowledge(session(), before, 1, run::settings())));
    EXPECT_TRUE(refused(job::answer_verify(session(), before, job::comparison())));
    await(job::save_state(session(), before, "failed", "not ours"));
    EXPECT_EQ(sql().scalar(state), untouched);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.chunks"), 1);
}

// Schema pgeist goes with its last job; the next one has the same id.
TEST_F(job_store, AJobOfTheSameIdIsAnotherOne) {
    const job::tenure before = work().tenure();
    sql().execute("DROP SCHEMA pgeist CASCADE");
    await(session().begin());
    await(job::ensure_state_schema(session()));
    const job::tenure other = await(job::create(session(), beginning_of(plan().table, plan().source_oid)));
    await(session().commit());
    EXPECT_EQ(other.job, before.job);
    EXPECT_THROW(await(job::require_tenure(session(), before)), error);
    await(job::require_tenure(session(), other));
}

TEST_F(job_store, AJobRemovedByOthersEndsTheRun) {
    sql().execute("DELETE FROM pgeist.jobs");
    EXPECT_THROW(await(job::beat(session(), work().tenure(), job::heartbeat())), error);
}

// As a cleanup of the last job does, at whatever moment.
TEST_F(job_store, AStateSchemaThatIsGoneIsAJobThatIsGone) {
    const std::int64_t id = work().job;
    const job::tenure mine = work().tenure();
    sql().execute("DROP SCHEMA pgeist CASCADE");
    const auto code_of = [](const auto& what) {
        try {
            what();
        } catch (const error& failure) {
            return failure.code();
        }
        return exit_code::done;
    };
    EXPECT_EQ(code_of([&] { static_cast<void>(await(job::load(session(), id))); }), exit_code::refused);
    EXPECT_EQ(code_of([&] { static_cast<void>(await(job::begin_tenure(session(), id))); }), exit_code::already_running);
    EXPECT_EQ(code_of([&] { await(job::require_tenure(session(), mine)); }), exit_code::already_running);
}

awaitable<void> until_waiting(sync_connection& observer, int pid) {
    while (observer.number("SELECT count(*) FROM pg_locks WHERE NOT granted AND pid = " + std::to_string(pid)) == 0) {
        co_await pg::sleep_for(std::chrono::milliseconds(5));
    }
}

// A run that is told to stop in the middle of it stores them at its end.
TEST_F(job_store, EventsOutliveACancellation) {
    report::progress progress;
    report::event_recorder told(observer(), progress);
    told.note("verified", "300 rows");
    told.note("phase", "swap");
    sync_connection other = db().connect();
    other.execute("BEGIN; LOCK TABLE pgeist.events IN SHARE MODE");
    std::vector<awaitable<void>> storing;
    storing.push_back(task::store_events(session(), work().job, told));
    await(pg::run_beside(until_waiting(sql(), session().backend_pid()), std::move(storing)));
    other.execute("ROLLBACK");
    await(task::store_events(session(), work().job, told));
    EXPECT_EQ(sql().scalar("SELECT string_agg(event || ' ' || detail, ', ' ORDER BY at) FROM pgeist.events WHERE "
                           "detail IN ('300 rows', 'swap')"),
              "verified 300 rows, phase swap");
}

}  // namespace
}  // namespace pgeist::test
