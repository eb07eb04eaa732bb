// Foreign keys out of the table, into it and within it: they never get in the application's way during a run, and are
// whole afterwards.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"

namespace pgeist::test {
namespace {

class foreign_keys : public run_test {
protected:
    /// parent ← t ← child; t also refers to itself.
    void make_family() {
        sql().execute(R"(
            CREATE TABLE public.parent (id int PRIMARY KEY);
            INSERT INTO public.parent SELECT i FROM generate_series(1, 1000) AS i;
            CREATE TABLE public.t (id int PRIMARY KEY, parent int REFERENCES public.parent, boss int REFERENCES public.t,
                note text);
            INSERT INTO public.t SELECT i, i, nullif(i - 1, 0), 'note ' || i FROM generate_series(1, 1000) AS i;
            CREATE TABLE public.child (id int PRIMARY KEY, t int REFERENCES public.t);
            INSERT INTO public.child SELECT i, i FROM generate_series(1, 1000) AS i;
            CREATE TABLE public.cascading (id int PRIMARY KEY, t int REFERENCES public.t ON DELETE CASCADE);
            INSERT INTO public.cascading SELECT i, i FROM generate_series(1, 1000) AS i)");
    }

    std::vector<std::string> constraints() {
        std::vector<std::string> lines;
        for (const row& line :
             sql()
                 .query(
                     "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || ' ' || "
                     "CASE WHEN convalidated THEN 'validated' ELSE 'not valid' END FROM pg_constraint WHERE contype = "
                     "'f' AND (conrelid = 'public.t'::regclass OR confrelid = 'public.t'::regclass) ORDER BY 1")
                 .rows) {
            lines.push_back(*line[0]);
        }
        return lines;
    }

    std::vector<std::string> stopping_at(const gate& copying) {
        return {"--alter",      "ALTER COLUMN id TYPE bigint",
                "--set",        "note = " + copying.expression("id = 500", "note"),
                "--chunk-rows", "100",
                "--workers",    "1"};
    }
};

TEST_F(foreign_keys, are_the_same_and_validated_afterwards) {
    make_family();
    const std::vector<std::string> before = constraints();
    EXPECT_EQ(before.size(), 4U);
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(constraints(), before);
}

// The primary key, which is walked, has the same columns and is younger: were it first, the key would be bound to it.
TEST_F(foreign_keys, stay_bound_to_an_index_older_than_the_one_that_is_walked) {
    sql().execute(
        "CREATE TABLE public.t (a int, b int, note text, CONSTRAINT t_ba UNIQUE (b, a)); "
        "CREATE TABLE public.child (a int, b int, FOREIGN KEY (b, a) REFERENCES public.t (b, a)); "
        "ALTER TABLE public.t ADD PRIMARY KEY (a, b); "
        "INSERT INTO public.t SELECT i, i, 'note' FROM generate_series(1, 100) AS i; "
        "INSERT INTO public.child VALUES (1, 1)");
    const std::string bound =
        "SELECT conindid::regclass FROM pg_constraint WHERE conrelid = 'public.child'::regclass AND contype = 'f'";
    ASSERT_EQ(sql().scalar(bound), "t_ba");
    EXPECT_TRUE(exited(run({"--repack"}), 0));
    EXPECT_EQ(sql().scalar(bound), "t_ba");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indrelid = 'public.t'::regclass"), 2);
}

TEST_F(foreign_keys, hold_in_all_directions_afterwards) {
    make_family();
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO public.child VALUES (5000, 99999)"), "23503");
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO public.t (id, parent) VALUES (5000, 99999)"), "23503");
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO public.t (id, boss) VALUES (5000, 99999)"), "23503");
    EXPECT_EQ(sql().sqlstate_of("DELETE FROM public.parent WHERE id = 7"), "23503");
    EXPECT_EQ(sql().sqlstate_of("DELETE FROM public.t WHERE id = 7"), "23503");
    sql().execute("DELETE FROM public.child WHERE t = 1000; DELETE FROM public.t WHERE id = 1000");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.cascading"), 999) << "ON DELETE CASCADE does not work any more";
}

TEST_F(foreign_keys, do_not_refuse_the_deletion_of_child_then_parent_during_the_run) {
    make_family();
    gate copying(db(), 1);
    copying.close();
    pgeist_process running = start(stopping_at(copying));
    copying.wait_until_reached();
    // Rows that are copied already (20, 30), in the chunk at work (480), and to be copied (990).
    for (const std::string id : {"20", "30", "480", "990"}) {
        const std::string next = std::to_string(std::stoi(id) + 1);
        EXPECT_EQ(sql().sqlstate_of("UPDATE public.t SET boss = NULL WHERE boss = " + id), "");
        EXPECT_EQ(sql().sqlstate_of("DELETE FROM public.child WHERE t = " + id), "");
        EXPECT_EQ(sql().sqlstate_of("DELETE FROM public.t WHERE id = " + id), "") << next;
        EXPECT_EQ(sql().sqlstate_of("DELETE FROM public.parent WHERE id = " + id), "");
    }
    copying.open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 996);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.cascading"), 996);
}

TEST_F(foreign_keys, let_new_families_be_founded_during_the_run) {
    make_family();
    gate copying(db(), 1);
    copying.close();
    pgeist_process running = start(stopping_at(copying));
    copying.wait_until_reached();
    sql().execute(
        "INSERT INTO public.parent VALUES (2000), (-1); INSERT INTO public.t VALUES (2000, 2000, 7, 'new'), "
        "(-1, -1, 2000, 'newer'); INSERT INTO public.child VALUES (2000, 2000), (2001, -1)");
    copying.open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE id IN (2000, -1)"), 2);
    EXPECT_EQ(constraints().size(), 4U);
}

TEST_F(foreign_keys, cascade_from_the_parent_during_the_run) {
    sql().execute(
        "CREATE TABLE public.parent (id int PRIMARY KEY); INSERT INTO public.parent SELECT i FROM "
        "generate_series(1, 1000) i; CREATE TABLE public.t (id int PRIMARY KEY, parent int REFERENCES "
        "public.parent ON DELETE CASCADE ON UPDATE CASCADE, note text); INSERT INTO public.t SELECT i, i, 'x' "
        "FROM generate_series(1, 1000) i");
    gate copying(db(), 1);
    copying.close();
    pgeist_process running = start(stopping_at(copying));
    copying.wait_until_reached();
    sql().execute(
        "DELETE FROM public.parent WHERE id IN (10, 490, 900); UPDATE public.parent SET id = 5000 WHERE id IN (20)");
    copying.open();
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t"), 997);
    EXPECT_EQ(sql().number("SELECT parent FROM public.t WHERE id = 20"), 5000);
}

TEST_F(foreign_keys, of_the_kept_old_table_do_not_refuse_anything) {
    make_family();
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint", "--keep-old"}), 0));
    sql().execute(
        "DELETE FROM public.cascading; DELETE FROM public.child; UPDATE public.t SET boss = NULL; DELETE FROM "
        "public.t WHERE id > 500");
    EXPECT_EQ(sql().sqlstate_of("DELETE FROM public.parent WHERE id > 500"), "");
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM pg_constraint c JOIN pg_class r ON r.oid = c.conrelid JOIN pg_namespace n "
                     "ON n.oid = r.relnamespace WHERE c.contype = 'f' AND n.nspname LIKE 'pgeist\\_%'"),
        0);
    EXPECT_EQ(
        sql().number("SELECT count(*) FROM pg_constraint c JOIN pg_class r ON r.oid = c.confrelid JOIN pg_namespace "
                     "n ON n.oid = r.relnamespace WHERE c.contype = 'f' AND n.nspname LIKE 'pgeist\\_%'"),
        0);
}

TEST_F(foreign_keys, that_are_violated_by_old_rows_stay_not_valid) {
    sql().execute(
        "CREATE TABLE public.parent (id int PRIMARY KEY); CREATE TABLE public.t (id int PRIMARY KEY, parent int); "
        "INSERT INTO public.t VALUES (1, 77); ALTER TABLE public.t ADD CONSTRAINT t_parent FOREIGN KEY (parent) "
        "REFERENCES public.parent NOT VALID");
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    EXPECT_EQ(constraints(),
              std::vector<std::string>{"t t_parent FOREIGN KEY (parent) REFERENCES parent(id) NOT VALID not valid"});
}

TEST_F(foreign_keys, to_a_changed_type_work_across_types) {
    make_family();
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN id TYPE bigint"}), 0));
    sql().execute("INSERT INTO public.t (id) VALUES (3000000000)");
    EXPECT_EQ(sql().sqlstate_of("UPDATE public.t SET boss = 1 WHERE id = 3000000000"), "");
    EXPECT_EQ(type_of("t", "public.child"), "integer");
}

}  // namespace
}  // namespace pgeist::test
