// What the server does CONCURRENTLY, interrupted, blocked, and among what others have made.

#include <exception>
#include <functional>
#include <mutex>
#include <thread>

#include "job_test.hpp"
#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/state_schema.hpp"

namespace pgeist::test {
namespace {

using concurrently::index_request;

/// Told from another thread.
class heard : public recording_observer {
public:
    void lock_waited(int, report::milliseconds, const std::vector<report::blocker>& found) override {
        const std::lock_guard<std::mutex> alone(mutex_);
        for (const auto& each : found) {
            pids_.push_back(each.pid);
        }
    }
    bool has_named(int pid) {
        const std::lock_guard<std::mutex> alone(mutex_);
        return std::find(pids_.begin(), pids_.end(), pid) != pids_.end();
    }

private:
    std::mutex mutex_;
    std::vector<int> pids_;
};

class concurrently_done : public database_test {
protected:
    void SetUp() override {
        database_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        sql().execute(
            "CREATE TABLE public.t (id int PRIMARY KEY, code int); INSERT INTO public.t SELECT i, i FROM "
            "generate_series(1, 100) AS i");
        run([this](pg::connection& session) -> awaitable<void> { return make_job(session); });
    }

    void TearDown() override {
        if (worker_.joinable()) {
            worker_.join();
        }
        database_test::TearDown();
    }

    awaitable<void> make_job(pg::connection& session) {
        co_await session.begin();
        static_cast<void>(co_await job::ensure_state_schema(session));
        job::beginning what = beginning_of({"public", "t"}, table());
        mine_ = co_await job::create(session, std::move(what));
        co_await session.commit();
    }

    std::int64_t table(const std::string& name = "public.t") {
        return sql().number("SELECT $1::regclass::oid::bigint", {name});
    }

    index_request wanted(const std::string& name, const std::string& what = "(code)", bool unique = false) {
        index_request one;
        one.table_oid = table();
        one.name = {"public", name};
        one.create_sql =
            "CREATE " + std::string(unique ? "UNIQUE " : "") + "INDEX CONCURRENTLY " + name + " ON public.t " + what;
        return one;
    }

    /// With a pool of its own, on an io_context of its own. Throws what the coroutine does.
    void run(const std::function<awaitable<void>(pg::connection&)>& body) {
        run_with([&body](pg::pool& pool) -> awaitable<void> { return with_session(pool, body); });
    }

    static awaitable<void> with_session(pg::pool& pool, const std::function<awaitable<void>(pg::connection&)>& body) {
        const auto session = co_await pool.acquire();
        co_await body(*session);
    }

    void run_with(const std::function<awaitable<void>(pg::pool&)>& body) {
        asio::io_context io{1};
        pg::connect_options options;
        options.set("dbname", db().uri());
        pg::pool pool(options, "pgeist job 1");
        std::exception_ptr failure;
        asio::co_spawn(io, body(pool), [&](std::exception_ptr problem) { failure = problem; });
        io.run();
        if (failure) {
            std::rethrow_exception(failure);
        }
    }

    awaitable<void> create(pg::pool& pool, index_request what) {
        report::progress progress;
        open_road road;
        concurrently::workspace work{pool, mine_, settings_, observer_, progress, road};
        const auto session = co_await pool.acquire();
        co_await concurrently::create_index(work, *session, std::move(what));
    }

    awaitable<void> drop_it(pg::pool& pool) {
        report::progress progress;
        open_road road;
        concurrently::workspace work{pool, mine_, settings_, observer_, progress, road};
        const auto session = co_await pool.acquire();
        qualified_name name{"public", "t_code"};
        co_await concurrently::drop_index(work, *session, std::move(name));
    }

    awaitable<void> on_partitions(pg::pool& pool, concurrently::partitioned_request what) {
        report::progress progress;
        open_road road;
        concurrently::workspace work{pool, mine_, settings_, observer_, progress, road};
        const auto session = co_await pool.acquire();
        made_ = co_await concurrently::create_on_partitions(work, *session, std::move(what));
    }

    void create(index_request what) {
        run_with([&](pg::pool& pool) { return create(pool, what); });
    }

    /// The message it fails with.
    std::string failure_of(index_request what, exit_code code) {
        try {
            create(std::move(what));
        } catch (const error& problem) {
            EXPECT_EQ(problem.code(), code) << problem.what();
            return problem.what();
        }
        ADD_FAILURE() << "it did not fail";
        return "";
    }

    /// In another thread; the end is awaited by finish().
    void begin(index_request what) {
        failure_ = nullptr;
        worker_ = std::thread([this, what] {
            try {
                create(what);
            } catch (...) {
                failure_ = std::current_exception();
            }
        });
    }
    void finish() {
        worker_.join();
        if (failure_) {
            std::rethrow_exception(failure_);
        }
    }

    /// What pgeist cleanup does.
    void clean_up() {
        run_with([this](pg::pool& pool) { return undo(pool); });
    }
    awaitable<void> undo(pg::pool& pool) {
        const auto session = co_await pool.acquire();
        auto own = co_await pool.open_own("pgeist");
        job::advisory_locks hold(std::move(own));
        task::undo_context at{pool, *session, hold, mine_, true, {"public", "t"}, table(), observer_};
        co_await concurrently::undo(at);
    }

    std::string indexes() {
        return sql().scalar(
            "SELECT string_agg(relname || CASE WHEN indisvalid THEN '' ELSE ' (invalid)' END, ', ' ORDER BY relname) "
            "FROM pg_index JOIN pg_class ON oid = indexrelid WHERE indrelid = 'public.t'::regclass");
    }

    void wait_for_phase(const std::string& phase) {
        wait_for(phase, [&] {
            return sql().number(
                       "SELECT count(*) FROM pg_stat_progress_create_index WHERE datname = current_database() "
                       "AND phase = $1",
                       {phase}) == 1;
        });
    }

    /// What is stored of an index that the watch has seen.
    void wait_until_noted(const std::string& name) {
        wait_for("the index to be noted", [&] {
            return sql().number(
                       "SELECT count(*) FROM pgeist.jobs, jsonb_each(builds) AS b WHERE b.value ->> 'oid' = "
                       "to_regclass($1)::oid::text",
                       {name}) == 1;
        });
    }

    void kill_session() {
        sql().query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_progress_create_index WHERE datname = current_database()");
    }

    run::settings settings_;
    heard observer_;
    job::tenure mine_;
    std::vector<concurrently::partition_index> made_;
    std::thread worker_;
    std::exception_ptr failure_;
};

TEST_F(concurrently_done, an_index_is_known_before_it_is_begun_and_kept_when_it_is_built) {
    create(wanted("t_code"));
    EXPECT_EQ(indexes(), "t_code, t_pkey");
    // Its OID, too, where it was seen at work: this one may have been finished before.
    EXPECT_EQ(sql().scalar("SELECT (builds ? 'create \"public\".\"t_code\"')::text FROM pgeist.jobs"), "true");
    create(wanted("t_code"));  // found finished
    clean_up();
    EXPECT_EQ(indexes(), "t_code, t_pkey") << "what is built stays";
    EXPECT_EQ(sql().scalar("SELECT builds::text FROM pgeist.jobs"), "{}");
}

TEST_F(concurrently_done, an_invalid_index_of_others_is_refused_by_name_and_never_dropped) {
    sql().execute("INSERT INTO public.t VALUES (1000, 1)");
    EXPECT_EQ(sql().sqlstate_of("CREATE UNIQUE INDEX CONCURRENTLY t_code ON public.t (code)"), "23505");
    EXPECT_NE(failure_of(wanted("t_code"), exit_code::refused).find("public.t_code"), std::string::npos);
    clean_up();
    EXPECT_EQ(indexes(), "t_code (invalid), t_pkey");
    EXPECT_NE(failure_of(wanted("t_pkey"), exit_code::refused).find("is there already"), std::string::npos);
}

TEST_F(concurrently_done, duplicates_are_told_with_their_keys_and_how_many_there_are) {
    sql().execute(
        "INSERT INTO public.t SELECT 1000 + i, i FROM generate_series(1, 12) AS i; INSERT INTO public.t VALUES "
        "(2000, 7), (3000, NULL), (3001, NULL)");
    const std::string told = failure_of(wanted("t_code", "(code)", true), exit_code::failed);
    EXPECT_NE(told.find("12 keys are there more than once: (7) 3 times, (1) 2 times"), std::string::npos) << told;
    EXPECT_EQ(indexes(), "t_pkey") << "it is taken back";
    const std::string some = failure_of(wanted("t_code", "((code % 2)) WHERE id <= 3", true), exit_code::failed);
    EXPECT_NE(some.find("1 key is there more than once: (1) 2 times"), std::string::npos) << some;
}

TEST_F(concurrently_done, an_old_snapshot_is_named_and_waited_for_before_anything_is_made) {
    sync_connection reader = db().connect();
    reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    begin(wanted("t_code"));
    wait_for("its name", [&] { return observer_.has_named(reader.backend_pid()); });
    EXPECT_EQ(indexes(), "t_pkey");
    EXPECT_EQ(sql().scalar("SELECT builds::text FROM pgeist.jobs"), "{}");
    reader.execute("COMMIT");
    finish();
    EXPECT_EQ(indexes(), "t_code, t_pkey");
}

TEST_F(concurrently_done, whom_the_server_waits_for_is_named_and_given_up_on) {
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE public.t SET code = 0 WHERE id = 1");
    settings_.swap_max_wait = std::chrono::milliseconds(1500);
    const std::string told = failure_of(wanted("t_code"), exit_code::lock_not_obtained);
    EXPECT_NE(told.find(std::to_string(writer.backend_pid())), std::string::npos) << told;
    EXPECT_TRUE(observer_.has_named(writer.backend_pid()));
    writer.execute("COMMIT");
    clean_up();
    EXPECT_EQ(indexes(), "t_pkey");
}

TEST_F(concurrently_done, what_a_lost_session_has_left_is_dropped_before_the_next_attempt) {
    sql().execute("INSERT INTO public.t VALUES (1000, 1)");
    EXPECT_EQ(sql().sqlstate_of("CREATE UNIQUE INDEX CONCURRENTLY t_code1 ON public.t (code)"), "23505");
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE public.t SET code = 0 WHERE id = 1");
    begin(wanted("t_code"));
    wait_for_phase("waiting for writers before build");
    wait_until_noted("public.t_code");
    kill_session();
    EXPECT_THROW(finish(), error);
    EXPECT_EQ(indexes(), "t_code (invalid), t_code1 (invalid), t_pkey");
    writer.execute("COMMIT");
    create(wanted("t_code"));
    EXPECT_EQ(indexes(), "t_code, t_code1 (invalid), t_pkey") << "others' stays";
}

/// It was made in between, under the name that the job has stored: a name alone proves nothing.
TEST_F(concurrently_done, what_somebody_is_building_under_a_name_that_was_stored_is_left_to_him) {
    sql().execute("INSERT INTO public.t VALUES (1000, 1)");
    sync_connection writer = db().connect();
    writer.execute("BEGIN; LOCK TABLE public.t IN SHARE UPDATE EXCLUSIVE MODE");
    begin(wanted("t_code"));
    wait_for("the statement to wait", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE "
                   "'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'") == 1;
    });
    sql().query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE "
        "'CREATE INDEX CONCURRENTLY%'");
    EXPECT_THROW(finish(), error);
    writer.execute("COMMIT; BEGIN; UPDATE public.t SET code = 0 WHERE id = 2");
    sync_connection other = db().connect();
    other.send("CREATE INDEX CONCURRENTLY t_code ON public.t (code)");
    wait_for_phase("waiting for writers before build");
    clean_up();
    EXPECT_EQ(indexes(), "t_code (invalid), t_pkey");
    writer.execute("COMMIT");
    other.finish();
    EXPECT_EQ(indexes(), "t_code, t_pkey");
}

TEST_F(concurrently_done, it_gives_way_before_a_deadlock_cancels_anybody) {
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE public.t SET code = 0 WHERE id = 1");
    begin(wanted("t_code"));
    wait_for_phase("waiting for writers before build");
    writer.execute("ALTER TABLE public.t ADD COLUMN note text");  // throws when it is cancelled
    writer.execute("COMMIT");
    finish();
    EXPECT_EQ(indexes(), "t_code, t_pkey");
}

TEST_F(concurrently_done, an_index_for_a_constraint_that_does_not_come_about_is_dropped) {
    index_request one = wanted("t_code_key", "(code)", true);
    one.for_constraint = true;
    create(one);
    clean_up();
    EXPECT_EQ(indexes(), "t_pkey");
    create(one);
    sql().execute("ALTER TABLE public.t ADD CONSTRAINT t_code_key UNIQUE USING INDEX t_code_key");
    clean_up();
    EXPECT_EQ(indexes(), "t_code_key, t_pkey");
}

TEST_F(concurrently_done, a_drop_that_was_interrupted_is_finished) {
    sql().execute("CREATE INDEX t_code ON public.t (code)");
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT count(*) FROM public.t");
    settings_.swap_max_wait = std::chrono::milliseconds(500);
    const auto drop = [&](pg::pool& pool) { return drop_it(pool); };
    EXPECT_THROW(run_with(drop), error);
    EXPECT_EQ(indexes(), "t_code (invalid), t_pkey") << "the server cannot take that back";
    reader.execute("COMMIT");
    clean_up();
    EXPECT_EQ(indexes(), "t_pkey");
    sql().execute("CREATE INDEX t_code ON public.t (code)");
    run_with(drop);
    EXPECT_EQ(indexes(), "t_pkey");
}

TEST_F(concurrently_done, partitions_get_their_indexes_before_the_partitioned_table_does) {
    sql().execute(
        "CREATE TABLE public.p (id int, at int) PARTITION BY RANGE (at); "
        "CREATE TABLE public.p1 PARTITION OF public.p FOR VALUES FROM (0) TO (10); "
        "CREATE TABLE public.p2 PARTITION OF public.p FOR VALUES FROM (10) TO (20) PARTITION BY LIST (id); "
        "CREATE TABLE public.p21 PARTITION OF public.p2 DEFAULT; "
        "INSERT INTO public.p SELECT i, i % 20 FROM generate_series(1, 100) AS i; CREATE INDEX mine ON public.p1 (id)");
    concurrently::partitioned_request what;
    what.table_oid = table("public.p");
    what.definition = "(id)";
    run_with([&](pg::pool& pool) { return on_partitions(pool, what); });
    ASSERT_EQ(made_.size(), 2U);
    EXPECT_EQ(made_[0].name, "mine") << "one that is like it is taken";
    EXPECT_EQ(made_[1].name, "p21_id_idx");
    sql().execute("CREATE INDEX p_id_idx ON public.p (id)");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indrelid IN ('public.p1'::regclass, "
                           "'public.p21'::regclass) AND indisvalid"),
              2)
        << "nothing was built a second time";
    what.definition = "(id, at)";
    what.constraint = "UNIQUE (id, at)";
    run_with([&](pg::pool& pool) { return on_partitions(pool, what); });
    EXPECT_EQ(made_[0].name, "p1_id_at_key") << "as the plain ALTER TABLE would call it";
    clean_up();
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indrelid IN ('public.p1'::regclass, "
                           "'public.p21'::regclass) AND indisunique"),
              0)
        << "of no use alone";
}

}  // namespace
}  // namespace pgeist::test
