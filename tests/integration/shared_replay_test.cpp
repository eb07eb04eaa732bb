// Replay by several sessions, each one share of the keys: the interleavings that replayer.hpp lists, stepped by hand,
// and then by luck under writers; and what happens when the writers outrun it.

#include <set>

#include "job_test.hpp"
#include "pgeist/pg/parallel.hpp"
#include "pgeist/transfer/replay/replay_sql.hpp"
#include "pgeist/transfer/replay/replayer.hpp"
#include "support/table_rows.hpp"
#include "support/workload.hpp"

namespace pgeist::test {
namespace {

class shared_replay : public job_test {
protected:
    /// A table of 40 rows with a unique column, copied and indexed, its job's triggers in place.
    void start() {
        sql().execute(
            "CREATE TABLE t (id int PRIMARY KEY, u int UNIQUE, v text);"
            "INSERT INTO t SELECT i, i, 'v' || i FROM generate_series(1, 40) i");
        prepare("t", {"ALTER COLUMN id TYPE bigint"});
        capture();
        copy_all();
        build();
    }

    int share_of(int id) {
        return static_cast<int>(
            sql().number("SELECT (hash_record_extended(ROW(" + std::to_string(id) + "), 0) & 2147483647) % 2"));
    }

    /// Two keys of different shares, the first in share 0.
    std::pair<int, int> keys_apart() {
        int one = 1;
        while (share_of(one) != 0) {
            ++one;
        }
        int other = 1;
        while (share_of(other) != 1) {
            ++other;
        }
        return {one, other};
    }

    static replay::selection half(int number) {
        replay::selection rows;
        rows.part.number = number;
        rows.part.count = 2;
        return rows;
    }

    void replay_half(pg::connection& session, int number) {
        await(session.begin(pg::isolation::repeatable_read));
        await(replay::apply(session, transfer(), half(number)));
        await(session.commit());
    }

    /// The design's invariant: every key that has no row in the log is in the shadow as in the source.
    void expect_invariant() {
        EXPECT_EQ(
            sql().scalar("SELECT coalesce(string_agg(coalesce(s.id, x.id)::text, ','), '') FROM t AS s FULL JOIN " +
                         plan().shadow().sql() +
                         " AS x ON x.id = s.id WHERE (s.id, s.u, s.v) IS DISTINCT FROM (x.id, x.u, x.v) AND NOT "
                         "EXISTS (SELECT FROM " +
                         log() + " AS l WHERE l.k1 = coalesce(s.id, x.id))"),
            "");
    }

    std::string log() { return plan().job_schema + ".pgeist_log"; }

    std::unique_ptr<pg::connection> another() { return await(work().pool.open_own("pgeist test other")); }

    /// Commits when the other session stands before a lock.
    awaitable<void> commit_when_blocked(pg::connection& mine, const pg::connection& other) {
        const std::string pid = std::to_string(other.backend_pid());
        for (int looks = 0; looks < 6000; ++looks) {
            const bool blocked = sql().number(
                                     "SELECT count(*) FROM pg_stat_activity WHERE pid = $1 AND "
                                     "wait_event_type = 'Lock'",
                                     {pid}) == 1;
            if (blocked) {
                co_await mine.commit();
                co_return;
            }
            co_await pg::sleep_for(std::chrono::milliseconds(5));
        }
        throw wait_failed("the other share does not wait for this one");
    }

    awaitable<void> apply_and_commit(pg::connection& session, replay::selection rows) {
        co_await replay::apply(session, transfer(), rows);
        co_await session.commit();
    }
};

TEST_F(shared_replay, ARowWhoseKeyChangesIsInTwoSharesAndRightAfterBoth) {
    start();
    const auto [one, other] = keys_apart();
    for (const int first : {0, 1}) {
        SCOPED_TRACE(first);
        sql().execute("DELETE FROM t WHERE id IN (" + std::to_string(one) + ", " + std::to_string(other) +
                      "); INSERT INTO t VALUES (" + std::to_string(one) + ", 1000, 'moves')");
        replay();
        expect_equal();
        // Without a unique value on the way: that is the next test's.
        sql().execute("UPDATE t SET u = NULL WHERE id = " + std::to_string(one));
        replay();
        sql().execute("UPDATE t SET id = " + std::to_string(other) + " WHERE id = " + std::to_string(one));
        replay_half(session(), first);
        const std::int64_t standing =
            sql().number("SELECT count(*) FROM " + plan().shadow().sql() + " WHERE v = 'moves'");
        EXPECT_EQ(standing, first == share_of(one) ? 0 : 2);
        expect_invariant();
        replay_half(session(), 1 - first);
        expect_invariant();
        expect_equal();
    }
}

TEST_F(shared_replay, AUniqueValueThatIsHandedOverWaitsForTheShareThatGivesItUp) {
    start();
    const auto [giver, taker] = keys_apart();
    sql().execute("BEGIN; DELETE FROM t WHERE id IN (" + std::to_string(giver) + ", " + std::to_string(taker) +
                  "); INSERT INTO t VALUES (" + std::to_string(taker) + ", " + std::to_string(giver) +
                  ", 'took it'); COMMIT");
    const auto gives = another();
    const auto takes = another();
    await(gives->begin(pg::isolation::repeatable_read));
    await(replay::apply(*gives, transfer(), half(0)));  // not yet committed
    await(takes->begin(pg::isolation::repeatable_read));
    std::vector<awaitable<void>> both;
    both.push_back(apply_and_commit(*takes, half(1)));
    both.push_back(commit_when_blocked(*gives, *takes));
    await(pg::run_all(std::move(both)));
    expect_invariant();
    expect_equal();
}

TEST_F(shared_replay, AUniqueValueThatIsTakenBeforeItIsGivenUpMakesOneSessionTakeTheWholeLog) {
    start();
    const auto [giver, taker] = keys_apart();
    sql().execute("BEGIN; DELETE FROM t WHERE id IN (" + std::to_string(giver) + ", " + std::to_string(taker) +
                  "); INSERT INTO t VALUES (" + std::to_string(taker) + ", " + std::to_string(giver) +
                  ", 'took it'); COMMIT");
    await(session().begin(pg::isolation::repeatable_read));
    try {
        await(replay::apply(session(), transfer(), half(1)));
        ADD_FAILURE() << "the value still stands in the other share's row";
    } catch (const pg::sql_error& failure) {
        EXPECT_EQ(failure.sqlstate(), pg::sqlstate::unique_violation);
    }
    await(session().rollback());
    expect_invariant();
    replay::replayer changes(work(), 2);
    EXPECT_GT(await(changes.pass()), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + log()), 0);
    expect_equal();
}

TEST_F(shared_replay, SharesThatWaitForEachOtherAreToldApartByTheServer) {
    start();
    // Each share takes a value that the other gives up: whichever order the sessions take, they meet.
    std::string exchange = "BEGIN; UPDATE t SET u = u + 1000000";
    std::set<int> zero;
    std::set<int> one;
    for (int id = 1; id <= 40; ++id) {
        (share_of(id) == 0 ? zero : one).insert(id);
    }
    auto left = zero.begin();
    auto right = one.begin();
    for (; left != zero.end() && right != one.end(); ++left, ++right) {
        exchange += "; UPDATE t SET u = " + std::to_string(*right) + " WHERE id = " + std::to_string(*left) +
                    "; UPDATE t SET u = " + std::to_string(*left) + " WHERE id = " + std::to_string(*right);
    }
    for (int round = 0; round < 3; ++round) {
        sql().execute(exchange + "; COMMIT");
        replay::replayer changes(work(), 2);
        await(changes.pass());
        EXPECT_EQ(sql().number("SELECT count(*) FROM " + log()), 0);
        expect_equal();
        sql().execute("UPDATE t SET u = u + 2000000; UPDATE t SET u = id");
        replay();
        expect_equal();
    }
}

TEST_F(shared_replay, AShareWithAnOldSnapshotLeavesWhatCameLaterInTheLog) {
    start();
    const auto [behind, ahead] = keys_apart();
    const std::string both = std::to_string(behind) + ", " + std::to_string(ahead);
    sql().execute("UPDATE t SET v = 'first' WHERE id IN (" + both + ")");
    const auto slow = another();
    await(slow->begin(pg::isolation::repeatable_read));
    await(slow->query("SELECT 1 FROM public.t LIMIT 1"));  // its snapshot is taken
    sql().execute("UPDATE t SET v = 'second' WHERE id IN (" + both + "); DELETE FROM t WHERE id = 40");
    replay_half(session(), 1);
    await(replay::apply(*slow, transfer(), half(0)));
    await(slow->commit());
    EXPECT_EQ(sql().scalar("SELECT v FROM " + plan().shadow().sql() + " WHERE id = " + std::to_string(behind)),
              "first");
    EXPECT_EQ(sql().scalar("SELECT v FROM " + plan().shadow().sql() + " WHERE id = " + std::to_string(ahead)),
              "second");
    expect_invariant();
    replay();
    expect_equal();
}

TEST_F(shared_replay, ASupersededProcessIsFencedOffInEachSession) {
    start();
    sql().execute("UPDATE t SET v = 'late'");
    sql().execute("UPDATE pgeist.jobs SET incarnation = incarnation + 1");
    replay::replayer changes(work(), 3);
    try {
        await(changes.pass());
        ADD_FAILURE() << "another process has the job";
    } catch (const error& failure) {
        EXPECT_EQ(failure.code(), exit_code::already_running) << failure.what();
    }
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + log()), 40);
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + plan().shadow().sql() + " WHERE v = 'late'"), 0);
}

// Every kind of write, unique values handed over and exchanged among them, while four sessions replay.
TEST_F(shared_replay, UnderWritersEverythingIsRight) {
    const std::uint64_t seed = workload_seed();
    SCOPED_TRACE("PGEIST_SEED=" + std::to_string(seed));
    workload_shape shape = integer_key_shape(2000);
    sql().execute(shape.create);
    prepare(shape.table, {"ALTER COLUMN " + shape.keys[0] + " TYPE bigint"});
    capture();
    copy_all();
    build();
    workload load(shape, seed);
    load.add({.uri = db().uri(), .isolation = "READ COMMITTED"});
    load.add({.uri = db().uri(), .isolation = "REPEATABLE READ"});
    replay::replayer changes(work(), 4);
    const long long enough = load.committed() + 400;
    while (load.committed() < enough) {
        await(changes.pass());
    }
    const workload_report report = load.stop();
    EXPECT_TRUE(report.failures.empty()) << report.failures[0];
    await(changes.pass());
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + log()), 0);
    expect_equal();
    EXPECT_EQ(differing_rows(sql(), shape.twin, shape.table), std::vector<std::string>{});
}

// ---------------------------------------------------------------------------------------------------------------------

class back_pressure : public shared_replay {
protected:
    /// From now on each batch, with the rows that it takes out of the log, puts new ones in, which it cannot see: no
    /// pass leaves the log empty.
    void let_writers_outrun_replay() {
        sql().execute("CREATE FUNCTION write_more() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO " + log() +
                      " SELECT 1 + i % 40 FROM generate_series(1, 3000) AS i; RETURN NULL; END'; "
                      "CREATE TRIGGER outrun AFTER DELETE ON " +
                      log() + " EXECUTE FUNCTION write_more()");
    }

    void let_writers_rest_after(int batches) {
        sql().execute(
            "CREATE SEQUENCE public.written; CREATE OR REPLACE FUNCTION write_more() RETURNS trigger LANGUAGE plpgsql "
            "AS "
            "'BEGIN IF nextval(''public.written'') <= " +
            std::to_string(batches) + " THEN INSERT INTO " + log() +
            " SELECT 1 + i % 40 FROM generate_series(1, 9000) AS i; END IF; RETURN NULL; END'");
    }

    pgeist::transfer::workspace with(const run::settings& chosen) {
        return {work().pool,     work().job,     transfer(),         chosen,          work().observer,
                work().progress, work().limiter, work().incarnation, work().hold_pid, work().known};
    }
};

TEST_F(back_pressure, WritersThatOutrunReplayBringSessionsThenAWarningAndThenTheEnd) {
    start();
    sql().execute("UPDATE t SET v = v || '!'");
    let_writers_outrun_replay();
    run::settings chosen;
    chosen.swap_max_wait = std::chrono::milliseconds(6000);
    pgeist::transfer::workspace mine = with(chosen);
    replay::replayer changes(mine);
    try {
        await(changes.catch_up(std::chrono::milliseconds(1)));
        ADD_FAILURE() << "it cannot have caught up";
    } catch (const error& failure) {
        EXPECT_EQ(failure.code(), exit_code::failed);
        const std::string said = failure.what() + failure.hint();
        EXPECT_NE(said.find("does not converge"), std::string::npos) << said;
        EXPECT_NE(said.find("by 4 sessions"), std::string::npos) << said;
        EXPECT_NE(said.find("pgeist resume"), std::string::npos) << said;
    }
    ASSERT_EQ(observer().messages.size(), 1U) << "one warning in five minutes";
    EXPECT_NE(observer().messages[0].find("does not converge"), std::string::npos) << observer().messages[0];
    EXPECT_NE(observer().messages[0].find("pgeist set"), std::string::npos) << observer().messages[0];
    // Who tries again gets all the time again; when the writers rest, it converges, and what it has replayed was right.
    let_writers_rest_after(2);
    await(changes.catch_up(std::chrono::milliseconds(1)));
    expect_equal();
}

// The server has no connection for a third session: two do the work.
TEST_F(back_pressure, SessionsThatAreNotToBeHadAreDoneWithout) {
    start();
    const std::string role = db().create_role("limited");
    sql().execute("GRANT " + sql().scalar("SELECT current_user") + " TO " + role + "; ALTER ROLE " + role +
                  " CONNECTION LIMIT 2; UPDATE t SET v = 'x' || id, u = u + 1000; DELETE FROM t WHERE id < 5");
    pg::connect_options options;
    options.set("dbname", db().uri_as(role));
    pg::pool limited(options, "pgeist test");
    pgeist::transfer::workspace mine{limited,         work().job,      transfer(),     work().settings,
                                     work().observer, work().progress, work().limiter, work().incarnation,
                                     work().hold_pid, work().known};
    replay::replayer changes(mine, 4);
    EXPECT_EQ(await(changes.pass()), 44);
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + log()), 0);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_stat_activity WHERE usename = $1", {role}), 2);
    expect_equal();
}

TEST_F(back_pressure, AKeyThatCannotBeHashedIsReplayedByOneSession) {
    sql().execute("CREATE TABLE t (id tsvector PRIMARY KEY, v int); INSERT INTO t VALUES ('a', 1), ('b', 2)");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    ASSERT_FALSE(plan().key.hashable);
    capture();
    copy_all();
    build();
    sql().execute("UPDATE t SET v = v + 1; INSERT INTO t VALUES ('c', 3); DELETE FROM t WHERE id = 'a'");
    replay::replayer changes(work(), 4);
    await(changes.pass());
    expect_equal();
}

/// Type public.code: an int whose hash operator class is of the kind before PostgreSQL 11, as that of contrib/isn is
/// still: good for joins, but without the function that hashes with a seed.
constexpr const char* type_without_extended_hash = R"(
    SET search_path = public;
    CREATE TYPE code;
    CREATE FUNCTION code_in(cstring) RETURNS code LANGUAGE internal IMMUTABLE STRICT AS 'int4in';
    CREATE FUNCTION code_out(code) RETURNS cstring LANGUAGE internal IMMUTABLE STRICT AS 'int4out';
    CREATE TYPE code (INPUT = code_in, OUTPUT = code_out, INTERNALLENGTH = 4, PASSEDBYVALUE, ALIGNMENT = int4);
    CREATE FUNCTION code_lt(code, code) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4lt';
    CREATE FUNCTION code_le(code, code) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4le';
    CREATE FUNCTION code_eq(code, code) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4eq';
    CREATE FUNCTION code_ge(code, code) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4ge';
    CREATE FUNCTION code_gt(code, code) RETURNS bool LANGUAGE internal IMMUTABLE STRICT AS 'int4gt';
    CREATE FUNCTION code_cmp(code, code) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'btint4cmp';
    CREATE FUNCTION code_hash(code) RETURNS int LANGUAGE internal IMMUTABLE STRICT AS 'hashint4';
    CREATE OPERATOR < (LEFTARG = code, RIGHTARG = code, FUNCTION = code_lt, COMMUTATOR = >);
    CREATE OPERATOR <= (LEFTARG = code, RIGHTARG = code, FUNCTION = code_le, COMMUTATOR = >=);
    CREATE OPERATOR = (LEFTARG = code, RIGHTARG = code, FUNCTION = code_eq, COMMUTATOR = =, HASHES, MERGES);
    CREATE OPERATOR >= (LEFTARG = code, RIGHTARG = code, FUNCTION = code_ge, COMMUTATOR = <=);
    CREATE OPERATOR > (LEFTARG = code, RIGHTARG = code, FUNCTION = code_gt, COMMUTATOR = <);
    CREATE OPERATOR CLASS code_ops DEFAULT FOR TYPE code USING btree AS OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =,
        OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 code_cmp(code, code);
    CREATE OPERATOR CLASS code_hash_ops DEFAULT FOR TYPE code USING hash AS OPERATOR 1 =, FUNCTION 1 code_hash(code))";

TEST_F(back_pressure, AKeyWithoutASeededHashIsReplayedByOneSession) {
    sql().execute(type_without_extended_hash);
    sql().execute(
        "CREATE TABLE t (id public.code PRIMARY KEY, v int); INSERT INTO t SELECT i::text::public.code, i FROM "
        "generate_series(1, 40) AS i");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    EXPECT_FALSE(plan().key.hashable);
    capture();
    copy_all();
    build();
    sql().execute("UPDATE t SET v = v + 1; INSERT INTO t VALUES ('41', 3); DELETE FROM t WHERE id = '1'");
    replay::replayer changes(work(), 4);
    EXPECT_EQ(await(changes.pass()), 42);
    expect_equal();
}

// That an array's elements cannot be hashed so is not in the catalogs, where the array types of all are one.
TEST_F(back_pressure, AnArrayKeyWhoseElementsHaveNoSeededHashIsReplayedByOneSession) {
    sql().execute(type_without_extended_hash);
    sql().execute(
        "CREATE TABLE t (id public.code[] PRIMARY KEY, v int); INSERT INTO t SELECT ARRAY[i::text::public.code], i "
        "FROM generate_series(1, 40) AS i");
    prepare("t", {"ALTER COLUMN v TYPE bigint"});
    ASSERT_TRUE(plan().key.hashable);
    capture();
    copy_all();
    build();
    replay::replayer changes(work(), 4);
    for (int round = 0; round < 2; ++round) {
        sql().execute("UPDATE t SET v = v + 1; INSERT INTO t VALUES ('{99}', 3); DELETE FROM t WHERE id = '{99}'");
        EXPECT_EQ(await(changes.pass()), 42);
        EXPECT_EQ(sql().number("SELECT count(*) FROM " + log()), 0);
        expect_equal();
    }
}

TEST_F(back_pressure, ALogThatIsReplayedIsVacuumedAndUsedAgain) {
    start();
    replay::replayer changes(work());
    const auto fill = [&] {
        sql().execute("INSERT INTO " + log() + " SELECT 1 + i % 40 FROM generate_series(1, 250000) AS i");
    };
    fill();
    await(changes.pass());
    const std::int64_t bytes = sql().number("SELECT pg_relation_size('" + log() + "')");
    EXPECT_LT(bytes, 1 << 20) << "nobody has an older snapshot: it can be cut off";
    fill();
    await(changes.pass());
    EXPECT_EQ(sql().number("SELECT count(*) FROM " + log()), 0);
    expect_equal();
}

}  // namespace
}  // namespace pgeist::test
