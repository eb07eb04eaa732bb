// Exit 1: live data that the new schema cannot take. The source stays as it was and in use, the message names the
// constraint, the keys and the value, and cleanup leaves no object.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"

namespace pgeist::test {
namespace {

class failure : public run_test {
protected:
    /// Runs the change, expects exit 1, what is to be said, and a table that is the same before and after cleanup.
    void expect_failure(const std::vector<std::string>& change, const std::vector<std::string>& to_be_said) {
        const table_state before = state_of();
        const run_result result = run(change);
        EXPECT_TRUE(exited(result, 1));
        EXPECT_TRUE(says(result, to_be_said));
        expect_still_in_use();
        expect_cleanup_leaves_nothing();
        expect_unchanged(before);
    }

    /// The application can go on writing.
    void expect_still_in_use() {
        sql().execute(
            "INSERT INTO public.t (id, note) VALUES (1000000, 'after'); UPDATE public.t SET note = 'again' "
            "WHERE id = 1000000; DELETE FROM public.t WHERE id = 1000000");
    }
};

TEST_F(failure, a_conversion_that_fails_names_the_key_and_the_value) {
    make_table(1000);
    sql().execute("UPDATE public.t SET note = id; UPDATE public.t SET note = 'forty-two' WHERE id = 777");
    expect_failure({"--alter", "ALTER COLUMN note TYPE int USING note::int"}, {"777", "forty-two", "note"});
}

TEST_F(failure, a_value_out_of_range_names_the_key_and_the_value) {
    make_table(1000);
    sql().execute(
        "ALTER TABLE public.t ALTER COLUMN code TYPE bigint; UPDATE public.t SET code = 3000000000 WHERE id = 613");
    expect_failure({"--alter", "ALTER COLUMN code TYPE int"}, {"613", "3000000000"});
}

TEST_F(failure, a_set_expression_that_fails_names_the_key) {
    make_table(1000);
    sql().execute("UPDATE public.t SET code = 0 WHERE id = 345");
    expect_failure({"--alter", "ADD COLUMN share numeric", "--set", "share = amount / code"},
                   {"345", "division by zero"});
}

TEST_F(failure, a_new_not_null_names_the_column_and_the_keys) {
    make_table(1000);
    sql().execute("UPDATE public.t SET note = NULL WHERE id IN (12, 512)");
    expect_failure({"--alter", "ALTER COLUMN note SET NOT NULL"}, {"note", "12"});
}

TEST_F(failure, a_new_column_without_value_names_the_column) {
    make_table(10);
    const table_state before = state_of();
    const run_result result = run({"--alter", "ADD COLUMN region text NOT NULL"});
    EXPECT_TRUE(exited(result, 3)) << "known before anything is copied";
    EXPECT_TRUE(says(result, {"region"}));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(failure, a_new_check_names_the_constraint_and_the_keys) {
    make_table(1000);
    sql().execute("UPDATE public.t SET amount = -5 WHERE id = 321");
    expect_failure({"--alter", "ADD CONSTRAINT amount_is_positive CHECK (amount > 0)"}, {"amount_is_positive", "321"});
}

TEST_F(failure, a_new_unique_names_the_constraint_and_the_value) {
    make_table(1000);
    sql().execute("UPDATE public.t SET code = 4711 WHERE id IN (100, 900)");
    expect_failure({"--alter", "ADD CONSTRAINT code_once UNIQUE (code)"}, {"code_once", "4711"});
}

TEST_F(failure, a_conversion_that_merges_unique_values_names_the_constraint) {
    make_table(100);
    sql().execute("ALTER TABLE public.t ADD CONSTRAINT amount_once UNIQUE (amount)");
    expect_failure({"--alter", "ALTER COLUMN amount TYPE int USING floor(amount)::int"}, {"amount_once"});
}

TEST_F(failure, a_conversion_that_merges_keys_is_noticed) {
    sql().execute("CREATE TABLE public.t (id numeric PRIMARY KEY, note text)");
    sql().execute("INSERT INTO public.t VALUES (1.2, 'a'), (1.4, 'b'), (2, 'c')");
    expect_failure({"--alter", "ALTER COLUMN id TYPE int"}, {"t_pkey"});
}

TEST_F(failure, a_new_exclusion_constraint_names_itself) {
    make_table(100);
    sql().execute(
        "ALTER TABLE public.t ADD COLUMN span int4range; UPDATE public.t SET span = int4range(id * 10, id * 10 + 5); "
        "UPDATE public.t SET span = int4range(500, 530) WHERE id = 99");
    expect_failure({"--alter", "ADD CONSTRAINT spans_apart EXCLUDE USING gist (span WITH &&)"}, {"spans_apart"});
}

TEST_F(failure, a_new_foreign_key_names_the_constraint_before_the_swap) {
    make_table(100);
    sql().execute(
        "CREATE TABLE public.codes (code int PRIMARY KEY); INSERT INTO public.codes SELECT i * 10 FROM "
        "generate_series(1, 99) AS i");
    expect_failure({"--alter", "ADD CONSTRAINT code_known FOREIGN KEY (code) REFERENCES public.codes"}, {"code_known"});
}

TEST_F(failure, a_value_written_during_the_run_that_cannot_be_converted_is_named_too) {
    make_table(1000);
    sql().execute("UPDATE public.t SET note = id");
    gate copying(db(), 1);
    copying.close();
    pgeist_process running =
        start({"--alter", "ALTER COLUMN note TYPE int USING " + copying.expression("id = 900", "note") + "::int",
               "--chunk-rows", "100", "--workers", "1"});
    copying.wait_until_reached();
    sql().execute("UPDATE public.t SET note = 'not a number' WHERE id = 50");
    const table_state before = state_of();
    copying.open();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"50", "not a number"}));
    EXPECT_EQ(state_of().identity, before.identity);
    expect_still_in_use();
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(state_of().digest, before.digest);
}

TEST_F(failure, a_unique_violation_written_during_the_run_names_the_constraint) {
    make_table(1000);
    gate copying(db(), 1);
    copying.close();
    pgeist_process running =
        start({"--alter", "ADD CONSTRAINT code_once UNIQUE (code)", "--set",
               "note = " + copying.expression("id = 900", "note"), "--chunk-rows", "100", "--workers", "1"});
    copying.wait_until_reached();
    sql().execute("UPDATE public.t SET code = 31337 WHERE id IN (50, 60)");
    copying.open();
    const run_result result = running.finish();
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"code_once", "31337"}));
    expect_still_in_use();
    expect_cleanup_leaves_nothing();
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 1000);
}

}  // namespace
}  // namespace pgeist::test
