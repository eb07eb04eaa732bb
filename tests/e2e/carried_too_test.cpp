// What has once been refused though ALTER TABLE or VACUUM FULL carries on: it is carried.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/table_description.hpp"

namespace pgeist::test {
namespace {

class carried_too : public run_test {
protected:
    /// Of the triggers of all foreign keys: table, function, state.
    std::string key_triggers() {
        return sql().scalar(
            "SELECT string_agg(concat_ws(' ', t.tgrelid::regclass, p.proname, t.tgenabled), ', ' ORDER BY "
            "t.tgrelid::regclass::text, p.proname) FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid WHERE "
            "t.tgrelid IN ('public.t'::regclass, 'public.other'::regclass, 'public.child'::regclass) AND "
            "t.tgisinternal");
    }

    void make_family() {
        make_table(50);
        sql().execute(
            "CREATE TABLE public.other (id int PRIMARY KEY); INSERT INTO public.other SELECT i * 10 FROM "
            "generate_series(1, 50) i; CREATE TABLE public.child (t int REFERENCES public.t ON DELETE CASCADE); INSERT "
            "INTO public.child VALUES (1); ALTER TABLE public.t ADD CONSTRAINT other FOREIGN KEY (code) REFERENCES "
            "public.other DEFERRABLE, ADD CONSTRAINT itself FOREIGN KEY (id) REFERENCES public.t");
    }
};

TEST_F(carried_too, disabled_triggers_of_foreign_keys) {
    make_family();
    sql().execute("ALTER TABLE public.t DISABLE TRIGGER ALL");
    const std::string before = key_triggers();
    EXPECT_NE(before.find(" D"), std::string::npos);
    EXPECT_TRUE(exited(run({"--repack", "--keep-old"}), 0));
    EXPECT_EQ(key_triggers(), before);
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND NOT convalidated"), 0);
    sql().execute("ALTER TABLE public.t ENABLE TRIGGER ALL; ALTER TABLE public.child DISABLE TRIGGER ALL");
    const std::string childs = key_triggers();
    EXPECT_TRUE(exited(run({"--alter", "ALTER COLUMN note TYPE varchar(99)", "--keep-old"}), 0));
    EXPECT_EQ(key_triggers(), childs);
}

TEST_F(carried_too, triggers_of_foreign_keys_that_the_change_disables) {
    make_family();
    EXPECT_TRUE(exited(run({"--alter", "DISABLE TRIGGER ALL, ALTER COLUMN note TYPE varchar(99)", "--keep-old"}), 0));
    EXPECT_EQ(key_triggers().find("t RI_FKey_check_ins O"), std::string::npos);
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO public.t VALUES (1000, 'x', 1, 7)"), "");
}

// A plain rewrite would not look at the rows; making the key anew does, and is not begun in vain.
TEST_F(carried_too, rows_that_came_in_while_a_foreign_key_was_off_are_named) {
    make_family();
    sql().execute("ALTER TABLE public.t DISABLE TRIGGER ALL; INSERT INTO public.t VALUES (1000, 'x', 1, 7)");
    const table_state before = state_of();
    const run_result result = run({"--repack", "--keep-old"});
    EXPECT_NE(result.exit_code, 0);
    EXPECT_TRUE(says(result, {"foreign key other", "1000"}));
    expect_cleanup_leaves_nothing();
    expect_unchanged(before);
}

TEST_F(carried_too, disabled_triggers_of_foreign_keys_need_a_superuser) {
    make_family();
    sql().execute("ALTER TABLE public.t DISABLE TRIGGER ALL");
    const std::string owner = db().create_role("owner");
    sql().execute("GRANT CREATE ON DATABASE " + sql().identifier(db().name()) + " TO " + owner +
                  "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner + "; ALTER TABLE public.t OWNER TO " + owner +
                  "; ALTER TABLE public.other OWNER TO " + owner + "; ALTER TABLE public.child OWNER TO " + owner);
    const run_result result = run_pgeist(db().uri_as(owner), {"plan", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"other", "superuser"}));
}

TEST_F(carried_too, array_columns_of_a_child) {
    sql().execute(
        "CREATE TABLE public.base (id int, tags text[], note text); CREATE TABLE public.t (id int PRIMARY KEY, tags "
        "text[], note text, extra int[]); ALTER TABLE public.t INHERIT public.base; INSERT INTO public.t SELECT i, "
        "ARRAY['a', 'b'], 'c', ARRAY[i] FROM generate_series(1, 50) i");
    const table_state before = state_of();
    EXPECT_TRUE(exited(run({"--repack", "--keep-old"}), 0));
    EXPECT_EQ(state_of().digest, before.digest);
    EXPECT_EQ(
        sql().scalar("SELECT string_agg(attname || attislocal || attinhcount, ' ' ORDER BY attnum) FROM pg_attribute "
                     "WHERE attrelid = 'public.t'::regclass AND attnum > 0"),
        "idtrue1 tagstrue1 notetrue1 extratrue0");
}

TEST_F(carried_too, parents_in_their_order) {
    sql().execute(
        "CREATE TABLE public.b (x int); CREATE TABLE public.a (y int); CREATE TABLE public.c (z int); CREATE TABLE "
        "public.t (id int PRIMARY KEY) INHERITS (public.b, public.c, public.a); INSERT INTO public.t VALUES (1, 2, "
        "3, 4)");
    const std::string parents =
        "SELECT string_agg(inhparent::regclass::text, ' ' ORDER BY inhseqno) FROM pg_inherits WHERE "
        "inhrelid = 'public.t'::regclass";
    EXPECT_EQ(sql().scalar(parents), "b c a");
    EXPECT_TRUE(exited(run({"--repack", "--keep-old"}), 0));
    EXPECT_EQ(sql().scalar(parents), "b c a");
}

TEST_F(carried_too, what_added_columns_bring_along) {
    make_table(50);
    const std::string reader = db().create_role("reader");
    sql().execute("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO " + reader +
                  "; CREATE DOMAIN public.seven AS int DEFAULT 7 NOT NULL");
    EXPECT_TRUE(
        exited(run({"--alter",
                    "ADD COLUMN n bigserial, ADD COLUMN s smallserial, ADD COLUMN i int GENERATED ALWAYS AS IDENTITY, "
                    "ADD COLUMN d public.seven, ADD COLUMN e int UNIQUE DEFAULT NULL, ADD COLUMN \"Mixed Case\" serial",
                    "--drop-old"}),
               0));
    EXPECT_EQ(
        sql().scalar("SELECT concat_ws(' ', count(DISTINCT n), count(DISTINCT s), count(DISTINCT i), min(d)) FROM "
                     "public.t"),
        "50 50 50 7");
    for (const char* column : {"n", "s", "i", "Mixed Case"}) {
        EXPECT_EQ(
            sql().scalar("SELECT has_sequence_privilege($1, pg_get_serial_sequence('public.t', $2), 'USAGE')::text || "
                         "split_part(pg_get_serial_sequence('public.t', $2), '.', 1)",
                         {reader, column}),
            "truepublic")
            << column;
    }
    sql().execute("INSERT INTO public.t (id) VALUES (1000)");
    sql().execute("DROP TABLE public.t");
}

TEST_F(carried_too, a_serial_column_becomes_an_identity) {
    sql().execute(
        "CREATE TABLE public.t (id serial PRIMARY KEY, note text); INSERT INTO public.t (note) SELECT 'n' FROM "
        "generate_series(1, 50)");
    const std::string change = "ALTER COLUMN id DROP DEFAULT, ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (";
    const run_result taken = run({"--alter", change + "START WITH 51)"});
    EXPECT_TRUE(exited(taken, 3));
    EXPECT_TRUE(says(taken, {"t_id_seq", "SEQUENCE NAME"}));
    EXPECT_TRUE(exited(run({"--alter", change + "SEQUENCE NAME t_number START WITH 51)", "--keep-old"}), 0));
    EXPECT_EQ(sql().number("INSERT INTO public.t (note) VALUES ('x') RETURNING id"), 51);
    sql().execute("CREATE SEQUENCE public.own START 500");
    EXPECT_TRUE(exited(
        run({"--alter", "ALTER COLUMN id DROP IDENTITY, ALTER COLUMN id SET DEFAULT nextval('public.own')"}), 0));
    EXPECT_EQ(sql().number("INSERT INTO public.t (note) VALUES ('x') RETURNING id"), 500);
}

TEST_F(carried_too, the_plan_says_what_a_key_to_a_partitioned_table_looks_like_afterwards) {
    sql().execute(
        "CREATE TABLE public.ledger (id int, yr int, PRIMARY KEY (id, yr)) PARTITION BY LIST (yr); CREATE TABLE "
        "public.ledger_1 PARTITION OF public.ledger FOR VALUES IN (1); INSERT INTO public.ledger VALUES (1, 1); "
        "CREATE TABLE public.t (id int PRIMARY KEY, yr int, CONSTRAINT fk FOREIGN KEY (id, yr) REFERENCES "
        "public.ledger); INSERT INTO public.t VALUES (1, 1)");
    const run_result plan = command("plan", {"--table", "t", "--repack"});
    EXPECT_TRUE(exited(plan, 0));
    EXPECT_EQ(plan.mentions("NOT VALID") && plan.mentions("public.ledger"), sql().server_major() < 18);
}

}  // namespace
}  // namespace pgeist::test
