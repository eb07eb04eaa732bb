// Foreign keys around a partition: its parent's, its own, and those that refer to its parent.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/table_description.hpp"

namespace pgeist::test {
namespace {

/// place ← p (partitions t and s) ← visit; t has a key of its own to place, and one that refers to it.
class partition_keys : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            sql().execute(R"(
                SET search_path = public;
                CREATE TABLE place (id int PRIMARY KEY); INSERT INTO place SELECT generate_series(0, 9);
                CREATE TABLE p (id int PRIMARY KEY, place int CONSTRAINT p_place REFERENCES place ON DELETE CASCADE, code int)
                    PARTITION BY RANGE (id);
                CREATE TABLE t (id int PRIMARY KEY, place int, code int CONSTRAINT own_code REFERENCES place,
                                CONSTRAINT own_name FOREIGN KEY (place) REFERENCES place ON DELETE CASCADE);
                ALTER TABLE p ATTACH PARTITION t FOR VALUES FROM (1) TO (1000);
                CREATE TABLE s PARTITION OF p FOR VALUES FROM (1000) TO (2000);
                INSERT INTO p SELECT i, i % 10, i % 10 FROM generate_series(1, 1500) i;
                CREATE TABLE visit (id int PRIMARY KEY, p int CONSTRAINT visit_p REFERENCES p ON DELETE CASCADE,
                                    t int CONSTRAINT visit_t REFERENCES t);
                INSERT INTO visit SELECT i, i, i % 999 + 1 FROM generate_series(1, 1500) i;
                COMMENT ON CONSTRAINT visit_p ON visit IS 'which'; ANALYZE)");
        }
    }

    void expect_keys_enforced() {
        EXPECT_EQ(sql().sqlstate_of("INSERT INTO public.p VALUES (999, 77)"), "23505");
        EXPECT_EQ(sql().sqlstate_of("UPDATE public.t SET place = 77 WHERE id = 5"), "23503");
        EXPECT_EQ(sql().sqlstate_of("UPDATE public.t SET code = 77 WHERE id = 5"), "23503");
        EXPECT_EQ(sql().sqlstate_of("INSERT INTO public.visit VALUES (5000, 77777)"), "23503");
        EXPECT_EQ(sql().sqlstate_of("DELETE FROM public.t WHERE id = 5"), "23503");
        sql().execute(
            "INSERT INTO public.place VALUES (50); UPDATE public.t SET place = 50 WHERE id = 7; DELETE FROM "
            "public.visit WHERE t = 7; DELETE FROM public.place WHERE id = 50");
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE id = 7"), 0);
        EXPECT_EQ(sql().number("SELECT count(*) FROM public.visit WHERE p = 7"), 0);
    }
};

TEST_F(partition_keys, are_as_they_were) {
    const table_state before = state_of();
    const table_state parent = state_of("p");
    const table_state sibling = state_of("s");
    const table_state visit = state_of("visit");
    const table_state place = state_of("place");
    const run_result result = run({"--repack"});
    EXPECT_TRUE(exited(result, 0));
    EXPECT_TRUE(says(result, {"own_name", "validated under the lock"}));
    EXPECT_EQ(description_difference(before.description, state_of().description), std::vector<std::string>{});
    expect_unchanged(parent, "p");
    expect_unchanged(sibling, "s");
    expect_unchanged(visit, "visit");
    expect_unchanged(place, "place");
    expect_keys_enforced();
    expect_cleanup_leaves_nothing();
}

TEST_F(partition_keys, of_a_root_that_others_refer_to) {
    sql().execute(R"(
        SET search_path = public; DROP TABLE visit;
        CREATE TABLE root (id int PRIMARY KEY, place int REFERENCES place, code int) PARTITION BY HASH (id);
        ALTER TABLE p DROP CONSTRAINT p_place;
        ALTER TABLE root ATTACH PARTITION p FOR VALUES WITH (MODULUS 1, REMAINDER 0);
        CREATE TABLE visit (id int PRIMARY KEY, root int REFERENCES root);
        INSERT INTO visit SELECT i, i FROM generate_series(1, 1500) i)");
    const table_state before = state_of();
    const table_state parent = state_of("p");
    const table_state root = state_of("root");
    const table_state visit = state_of("visit");
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    EXPECT_EQ(description_difference(before.description, state_of().description), std::vector<std::string>{});
    expect_unchanged(parent, "p");
    expect_unchanged(root, "root");
    expect_unchanged(visit, "visit");
    EXPECT_EQ(sql().sqlstate_of("DELETE FROM public.t WHERE id = 5"), "23503");
    expect_cleanup_leaves_nothing();
}

// Attached, the new table must have the parent's key, and must have it validated: that cannot be done before the swap.
TEST_F(partition_keys, of_the_parent_and_of_many_rows_are_refused) {
    sql().execute(R"(
        SET search_path = public; DROP TABLE visit; TRUNCATE p;
        CREATE TABLE big PARTITION OF p FOR VALUES FROM (1000000) TO (2000000);
        INSERT INTO p SELECT 1000000 + i, 1, 1 FROM generate_series(1, 150000) i; ANALYZE)");
    const table_state before = state_of("big");
    const run_result result = command("run", {"--table", "big", "--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"p_place", "public.p", "validated under the lock"}));
    expect_unchanged(before, "big");
    expect_nothing_left();
}

TEST_F(partition_keys, that_lead_from_the_family_to_itself_are_refused) {
    sql().execute(
        "UPDATE public.p SET code = 1; ALTER TABLE public.t DROP CONSTRAINT own_code; ALTER TABLE public.p ADD "
        "CONSTRAINT boss FOREIGN KEY (code) REFERENCES public.p (id)");
    const run_result result = run({"--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"boss", "public.p"}));
    expect_nothing_left();
}

}  // namespace
}  // namespace pgeist::test
