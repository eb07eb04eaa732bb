// The client layer against a real server.

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>

#include "job_test.hpp"
#include "pgeist/pg/parallel.hpp"

namespace pgeist::test {
namespace {

class pg_layer : public job_test {};

TEST_F(pg_layer, PassesParametersOfAllKindsAndNull) {
    const std::optional<std::string> nothing;
    const pg::result row = await(
        session().query("SELECT $1::text, $2::int + 1, $3::boolean, $4::text IS NULL", "it's", 41, true, nothing));
    EXPECT_EQ(row.text(0, 0), "it's");
    EXPECT_EQ(row.integer(0, 1), 42);
    EXPECT_TRUE(row.boolean(0, 2));
    EXPECT_TRUE(row.boolean(0, 3));
}

TEST_F(pg_layer, KeepsTheSessionUsableAfterAnError) {
    try {
        await(session().query("SELECT 1/0"));
        ADD_FAILURE();
    } catch (const pg::sql_error& failure) {
        EXPECT_EQ(failure.sqlstate(), "22012");
        EXPECT_FALSE(failure.retryable());
        EXPECT_FALSE(failure.poisons_connection());
    }
    EXPECT_TRUE(session().idle());
}

TEST_F(pg_layer, CancelsOnTheServerWhenTheDeadlinePasses) {
    EXPECT_THROW(await(session().query(deadline::in(std::chrono::milliseconds(100)), "SELECT pg_sleep(60)")),
                 pg::timed_out);
    EXPECT_TRUE(session().idle());
    EXPECT_EQ(await(session().query("SELECT 'usable'")).text(0, 0), "usable");
}

TEST_F(pg_layer, CancelsOnTheServerWhenTheCoroutineIsCancelled) {
    asio::io_context io(1);
    asio::cancellation_signal stop;
    std::exception_ptr failure;
    bool rolled_back = false;
    pg::connect_options options;
    options.set("dbname", db().uri());
    const auto task = [&]() -> awaitable<void> {
        const auto opened = co_await pg::connection::open(options, "cancelled");
        co_await opened->begin();
        std::exception_ptr inner;
        try {
            co_await opened->query("SELECT pg_sleep(60)");
        } catch (...) {
            inner = std::current_exception();
        }
        co_await opened->rollback();  // clean-up can be awaited after a cancellation
        rolled_back = opened->idle();
        std::rethrow_exception(inner);
    };
    asio::co_spawn(io, task(),
                   asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr error) { failure = error; }));
    wait_for("the query to run", [&] {
        io.poll();
        return sql().number(
                   "SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active' "
                   "AND datname = current_database()") == 1;
    });
    stop.emit(asio::cancellation_type::terminal);
    io.run();
    EXPECT_TRUE(rolled_back);
    ASSERT_TRUE(failure);
    EXPECT_THROW(std::rethrow_exception(failure), cancelled);
}

TEST_F(pg_layer, CanStillBeCancelledAfterARollback) {
    asio::io_context io(1);
    asio::cancellation_signal stop;
    std::exception_ptr failure;
    bool waiting = false;
    pg::connect_options options;
    options.set("dbname", db().uri());
    const auto task = [&]() -> awaitable<void> {
        const auto opened = co_await pg::connection::open(options, "rolled back");
        co_await opened->begin();
        co_await opened->rollback();
        waiting = true;
        co_await pg::sleep_for(std::chrono::minutes(1));
    };
    asio::co_spawn(io, task(),
                   asio::bind_cancellation_slot(stop.slot(), [&](std::exception_ptr error) { failure = error; }));
    while (!waiting) {
        io.run_one();
    }
    stop.emit(asio::cancellation_type::terminal);
    io.run();
    ASSERT_TRUE(failure);
    EXPECT_THROW(std::rethrow_exception(failure), cancelled);
}

// As a beat or a look at the load does, which must not keep the process alive when its work is done.
TEST_F(pg_layer, CanStillBeCancelledAfterAnAnswerThatCameTooLate) {
    session().answer_within(std::chrono::milliseconds(100));
    bool given_up = false;
    const auto background = [&]() -> awaitable<void> {
        while (true) {
            try {
                co_await session().query("SELECT pg_sleep(60)");
            } catch (const pg::timed_out&) {
                given_up = true;
            }
            co_await pg::sleep_for(std::chrono::milliseconds(1));
        }
    };
    const auto main = [&]() -> awaitable<void> {
        while (!given_up) {
            co_await pg::sleep_for(std::chrono::milliseconds(5));
        }
    };
    std::vector<awaitable<void>> beside;
    beside.push_back(background());
    ASSERT_TRUE(ends_within(std::chrono::seconds(30), pg::run_beside(main(), std::move(beside))));
    EXPECT_TRUE(given_up);
    EXPECT_TRUE(session().idle());
}

// The cancellation comes just while the statement that came too late is brought to its end.
TEST_F(pg_layer, IsCancelledWhileAnAnswerThatComesTooLateIsWaitedFor) {
    sync_connection holder = db().connect();
    holder.execute("SELECT pg_advisory_lock(1)");
    sql().execute(
        "CREATE FUNCTION public.stubborn() RETURNS void LANGUAGE plpgsql AS $$ BEGIN LOOP BEGIN PERFORM "
        "pg_advisory_xact_lock(1); RETURN; EXCEPTION WHEN query_canceled THEN PERFORM set_config('application_name', "
        "'asked to stop', false); END; END LOOP; END $$");
    bool timed_out = false;
    const auto background = [&]() -> awaitable<void> {
        const auto soon = deadline::in(std::chrono::milliseconds(100));
        try {
            co_await session().query(soon, "SELECT public.stubborn()");
        } catch (const pg::timed_out&) {
            timed_out = true;
        }
        co_await pg::sleep_for(std::chrono::minutes(10));
    };
    const auto releasing = [&]() -> awaitable<void> {
        try {
            co_await pg::sleep_for(std::chrono::minutes(10));
        } catch (const cancelled&) {
            holder.execute("SELECT pg_advisory_unlock(1)");  // all have been cancelled
        }
    };
    const auto main = [&]() -> awaitable<void> {
        bool asked = false;
        while (!asked) {
            co_await pg::sleep_for(std::chrono::milliseconds(5));
            asked = sql().number("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'asked to stop'") > 0;
        }
    };
    std::vector<awaitable<void>> beside;
    beside.push_back(background());
    beside.push_back(releasing());
    ASSERT_TRUE(ends_within(std::chrono::seconds(30), pg::run_beside(main(), std::move(beside))));
    EXPECT_FALSE(timed_out) << "a cancellation counts for more";
    EXPECT_TRUE(session().idle());
}

TEST_F(pg_layer, ShieldedWorkEndsAndItsCallerIsCancelledThen) {
    bool begun = false;
    bool open = false;
    bool done = false;
    bool told = false;
    const auto work = [&]() -> awaitable<void> {
        begun = true;
        while (!open) {
            co_await pg::sleep_for(std::chrono::milliseconds(1));
        }
        const pg::result row = co_await session().query("SELECT 1");
        done = row.rows() == 1;
    };
    const auto shielding = [&]() -> awaitable<void> {
        co_await pg::shielded(work());
        const asio::cancellation_state now = co_await asio::this_coro::cancellation_state;
        told = now.cancelled() != asio::cancellation_type::none;
        co_await pg::sleep_for(std::chrono::minutes(10));
    };
    const auto opening = [&]() -> awaitable<void> {
        try {
            co_await pg::sleep_for(std::chrono::minutes(10));
        } catch (const cancelled&) {
            open = true;  // all have been cancelled
        }
    };
    const auto main = [&]() -> awaitable<void> {
        while (!begun) {
            co_await pg::sleep_for(std::chrono::milliseconds(1));
        }
    };
    std::vector<awaitable<void>> beside;
    beside.push_back(shielding());
    beside.push_back(opening());
    ASSERT_TRUE(ends_within(std::chrono::seconds(30), pg::run_beside(main(), std::move(beside))));
    EXPECT_TRUE(done);
    EXPECT_TRUE(told);
}

TEST_F(pg_layer, TellsALostConnection) {
    sql().execute("SELECT pg_terminate_backend(" + std::to_string(session().backend_pid()) + ")");
    try {
        await(session().query("SELECT 1"));
        ADD_FAILURE();
    } catch (const pg::sql_error& failure) {
        EXPECT_TRUE(failure.poisons_connection());
        EXPECT_TRUE(failure.retryable());
        EXPECT_FALSE(failure.outcome_unknown());
        EXPECT_EQ(failure.code(), exit_code::connection_lost);
    }
    EXPECT_TRUE(session().broken());
}

TEST_F(pg_layer, RefusesToCommitAFailedTransactionSilently) {
    await(session().begin());
    EXPECT_THROW(await(session().query("SELECT 1/0")), pg::sql_error);
    EXPECT_THROW(await(session().commit()), pg::sql_error);
}

TEST_F(pg_layer, UsesPreparedStatementsAndScripts) {
    await(session().prepare("twice", "SELECT $1::int * 2"));
    EXPECT_EQ(await(session().query_prepared("twice", 21)).integer(0, 0), 42);
    EXPECT_EQ(await(session().execute("CREATE TEMP TABLE x (a int); INSERT INTO x VALUES (7); SELECT a FROM x"))
                  .integer(0, 0),
              7);
}

TEST_F(pg_layer, CollectsNotices) {
    static_cast<void>(session().take_notices());
    await(session().execute("DO $$ BEGIN RAISE NOTICE 'hello'; RAISE WARNING 'careful'; END $$"));
    const auto notices = session().take_notices();
    ASSERT_EQ(notices.size(), 2U);
    EXPECT_EQ(notices[0].message, "hello");
    EXPECT_EQ(notices[1].severity, "WARNING");
    EXPECT_TRUE(session().take_notices().empty());
}

TEST_F(pg_layer, DoesNotTrustTheRolesSettings) {
    const std::string role = db().create_role("hostile");
    sql().execute("ALTER ROLE " + role + " SET search_path = evil, public; ALTER ROLE " + role +
                  " SET default_transaction_read_only = on;"
                  "ALTER ROLE " +
                  role + " SET statement_timeout = '1ms'; ALTER ROLE " + role + " SET lock_timeout = '1ms'");
    pg::connect_options options;
    options.set("dbname", db().uri_as(role));
    const auto opened = await(pg::connection::open(options, "test"));
    const pg::result row =
        await(opened->query("SELECT current_setting('search_path'), current_setting('transaction_read_only'), "
                            "current_setting('statement_timeout'), current_setting('row_security'), pg_sleep(0.01)"));
    EXPECT_EQ(row.text(0, 0), "pg_catalog");
    EXPECT_EQ(row.text(0, 1), "off");
    EXPECT_EQ(row.text(0, 2), "0");
    EXPECT_EQ(row.text(0, 3), "off");
}

TEST_F(pg_layer, PoolReusesASessionWithItsSettingsReset) {
    pg::connect_options options;
    options.set("dbname", db().uri());
    pg::pool pool(options, "pool");
    int pid = 0;
    {
        const auto lease = await(pool.acquire());
        pid = lease->backend_pid();
        await(lease->execute("SET enable_seqscan = off; SET search_path = public"));
    }
    const auto again = await(pool.acquire());
    EXPECT_EQ(again->backend_pid(), pid);
    const pg::result row =
        await(again->query("SELECT current_setting('enable_seqscan'), current_setting('search_path')"));
    EXPECT_EQ(row.text(0, 0), "on");
    EXPECT_EQ(row.text(0, 1), "pg_catalog");
}

TEST_F(pg_layer, AFailureInAParallelGroupCancelsTheOthersAndIsTheOneThrown) {
    pg::connect_options options;
    options.set("dbname", db().uri());
    pg::pool pool(options, "group");
    const auto slow = [&]() -> awaitable<void> {
        const auto lease = co_await pool.acquire();
        co_await lease->query("SELECT pg_sleep(60)");
    };
    const auto failing = [&]() -> awaitable<void> {
        const auto lease = co_await pool.acquire();
        co_await lease->query("SELECT 1/0");
    };
    std::vector<awaitable<void>> tasks;
    tasks.push_back(slow());
    tasks.push_back(failing());
    try {
        await(pg::run_all(std::move(tasks)));
        ADD_FAILURE();
    } catch (const pg::sql_error& failure) {
        EXPECT_EQ(failure.sqlstate(), "22012");
    }
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(60)' AND state = 'active' "
                     "AND datname = current_database()"),
        0);
}

}  // namespace
}  // namespace pgeist::test
