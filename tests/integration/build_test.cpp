// Building indexes: beside each other, held back, among others.

#include "job_test.hpp"
#include "pgeist/build/index_builder.hpp"
#include "pgeist/transfer/replay/replayer.hpp"

namespace pgeist::test {
namespace {

/// Whoever asks is to wait, as when reaching the consistent point itself makes more WAL than --max-wal-rate allows.
class never_now : public open_road {
public:
    [[nodiscard]] bool holds_back() const override { return true; }
};

/// Others are at work on the server.
class among_others : public open_road {
public:
    [[nodiscard]] bool others_at_work() const override { return true; }
};

class build : public job_test {
protected:
    /// The indexes of the shadow, those of constraints included.
    long long indexes() {
        return sql().number("SELECT count(*) FROM pg_index WHERE indrelid = 'pgeist_1.b'::regclass");
    }
};

TEST_F(build, comes_to_its_end_however_often_it_is_held_back) {
    sql().execute(
        "CREATE TABLE public.b (id int PRIMARY KEY, c int UNIQUE, d int, e int, EXCLUDE (e WITH =), EXCLUDE (d WITH "
        "=)); "
        "INSERT INTO public.b SELECT i, i, i, i FROM generate_series(1, 1000) AS i; "
        "CREATE INDEX ON public.b (d, c); CREATE INDEX ON public.b (e, d)");
    run::settings one_at_a_time;
    one_at_a_time.index_jobs = 1;
    prepare("public.b", {"ALTER COLUMN id TYPE bigint"}, one_at_a_time);
    capture();
    copy_all();
    await(pgeist::build::build_key_index(work()));
    never_now limiter;
    pgeist::build::workspace held{{work().pool, work().job, transfer(), work().settings, work().observer,
                                   work().progress, limiter, work().incarnation, 0, nullptr},
                                  work().plan};
    replay::replayer changes(held);
    bool complete = false;
    int rounds = 0;
    for (long long before = indexes(); !complete; ++rounds) {
        ASSERT_LT(rounds, 20);
        await(changes.reach_consistent_point());
        complete = await(pgeist::build::build_indexes(held));
        const long long now = indexes();
        EXPECT_TRUE(complete || now <= before + 1) << "held back, it builds one a round and no more";
        before = now;
    }
    EXPECT_EQ(indexes(), 6);
    EXPECT_GE(rounds, 5);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE conrelid = 'pgeist_1.b'::regclass AND contype IN "
                           "('p', 'u', 'x')"),
              4)
        << "what belongs to the indexes is there as well";
}

/// The index calls a function that fails where parallel workers are allowed.
TEST_F(build, takes_one_process_among_others_unless_the_user_has_chosen) {
    sql().execute(
        "SET max_parallel_maintenance_workers = 0; "
        "CREATE FUNCTION public.alone(int) RETURNS int IMMUTABLE PARALLEL SAFE LANGUAGE plpgsql AS $$ BEGIN "
        "IF current_setting('max_parallel_maintenance_workers') <> '0' THEN RAISE 'with parallel workers'; END IF; "
        "RETURN $1; END $$; "
        "CREATE TABLE public.b (id int PRIMARY KEY, c int); INSERT INTO public.b VALUES (1, 1); "
        "CREATE INDEX ON public.b (public.alone(c))");
    prepare("public.b", {"ALTER COLUMN id TYPE bigint"});
    capture();
    copy_all();
    await(pgeist::build::build_key_index(work()));
    among_others limiter;
    run::settings chosen = work().settings;
    chosen.index_jobs_chosen = true;
    const auto build_with = [&](const run::settings& settings) {
        pgeist::build::workspace beside{{work().pool, work().job, transfer(), settings, work().observer,
                                         work().progress, limiter, work().incarnation, 0, nullptr},
                                        work().plan};
        replay::replayer changes(beside);
        await(changes.reach_consistent_point());
        await(pgeist::build::build_indexes(beside));
    };
    EXPECT_THROW(build_with(chosen), pg::sql_error);
    EXPECT_EQ(indexes(), 1);
    build_with(work().settings);
    EXPECT_EQ(indexes(), 2);
}

/// Rows 1 to 1000 are copied; who writes meanwhile is the tests' affair.
class build_at_once : public build {
protected:
    void start(const std::string& more = "") {
        sql().execute(
            "CREATE TABLE public.b (id int PRIMARY KEY, c int UNIQUE, d int" + more +
            "); INSERT INTO public.b SELECT i, i, i FROM generate_series(1, 1000) AS i; CREATE INDEX ON public.b (d)");
        prepare("public.b", {"ALTER COLUMN id TYPE bigint"});
        capture();
    }

    bool build_key() {
        pgeist::replay::replayer changes(work());
        const bool consistent = await(changes.at_consistent_point());
        await(pgeist::build::build_key_index(work(), consistent));
        return consistent;
    }

    void go_on_and_compare() {
        pgeist::replay::replayer changes(work());
        await(changes.pass());
        await(changes.reach_consistent_point());
        EXPECT_TRUE(await(pgeist::build::build_indexes(work())));
        expect_equal();
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indrelid = 'public.b'::regclass"), indexes());
        EXPECT_EQ(constraints("pgeist_1.b"), constraints("public.b"));
    }

    long long constraints(const std::string& table) {
        return sql().number("SELECT count(*) FROM pg_constraint WHERE contype IN ('p', 'u', 'x') AND conrelid = '" +
                            table + "'::regclass");
    }
};

TEST_F(build_at_once, where_nothing_was_changed_and_changes_are_replayed_into_all) {
    start();
    copy_all();
    EXPECT_TRUE(build_key());
    EXPECT_EQ(indexes(), 3);
    sql().execute(
        "BEGIN; UPDATE public.b SET c = -1 WHERE id = 1; UPDATE public.b SET c = 1 WHERE id = 1000; "
        "UPDATE public.b SET c = 1000 WHERE id = 1; COMMIT; DELETE FROM public.b WHERE id = 7; "
        "UPDATE public.b SET id = 7, c = 70007 WHERE id = 8; INSERT INTO public.b VALUES (1001, 8, 8)");
    go_on_and_compare();
}

TEST_F(build_at_once, not_where_a_unique_value_has_moved_to_a_row_copied_later) {
    start();
    copy({std::nullopt, at("500")});
    sql().execute("BEGIN; UPDATE public.b SET c = -1 WHERE id = 10; UPDATE public.b SET c = 10 WHERE id = 900; COMMIT");
    copy({at("500"), std::nullopt});
    EXPECT_FALSE(build_key());
    EXPECT_EQ(indexes(), 1);
    go_on_and_compare();
}

TEST_F(build_at_once, while_a_transaction_is_open_that_changed_rows_before_they_were_copied) {
    start();
    sync_connection writer = db().connect();
    writer.execute(
        "BEGIN; UPDATE public.b SET c = -1 WHERE id = 10; UPDATE public.b SET c = 10 WHERE id = 900; "
        "DELETE FROM public.b WHERE id = 5");
    copy_all();
    EXPECT_TRUE(build_key());
    writer.execute("COMMIT");
    EXPECT_EQ(indexes(), 3);
    go_on_and_compare();
}

TEST_F(build_at_once, not_where_the_source_was_truncated) {
    start();
    copy_all();
    sql().execute("TRUNCATE public.b");
    EXPECT_FALSE(build_key());
}

// What must be built alone, or after others, decides the order.
TEST_F(build_at_once, not_where_one_must_be_built_alone) {
    start(", EXCLUDE (d WITH =)");
    copy_all();
    EXPECT_TRUE(build_key());
    EXPECT_EQ(indexes(), 1);
    go_on_and_compare();
}

}  // namespace
}  // namespace pgeist::test
