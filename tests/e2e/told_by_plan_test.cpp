// What would fail in the swap, hours later, is done or refused at once: by the plan, with the object's name.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/table_description.hpp"

namespace pgeist::test {
namespace {

const std::vector<std::string> wider{"--alter", "ALTER COLUMN id TYPE bigint"};

class told_by_plan : public run_test {
protected:
    /// Plan and run refuse, say the texts, and change nothing.
    void expect_refused(const std::string& uri, const std::vector<std::string>& change,
                        const std::vector<std::string>& texts) {
        const table_state before = state_of();
        for (const char* name : {"plan", "run"}) {
            std::vector<std::string> arguments{name, "--table", "t"};
            arguments.insert(arguments.end(), change.begin(), change.end());
            const run_result result = run_pgeist(uri, std::move(arguments));
            EXPECT_TRUE(exited(result, 3));
            EXPECT_TRUE(says(result, texts));
        }
        expect_unchanged(before);
        expect_nothing_left();
    }

    run_result run_as(const std::string& role, std::vector<std::string> change) {
        change.insert(change.begin(), {"run", "--table", "t", "--keep-old"});
        return run_pgeist(db().uri_as(role), std::move(change));
    }

    /// A role that owns public.t and may do what README asks for.
    std::string owner_of_table() {
        const std::string owner = db().create_role("owner");
        sql().execute("ALTER TABLE public.t OWNER TO " + owner + "; GRANT CREATE ON DATABASE " +
                      sql().identifier(db().name()) + " TO " + owner + "; GRANT USAGE, CREATE ON SCHEMA public TO " +
                      owner);
        return owner;
    }
};

TEST_F(told_by_plan, the_usual_name_of_the_array_type_may_belong_to_another) {
    sql().execute(
        "CREATE TABLE public.t (id int PRIMARY KEY, note text); CREATE TABLE public._t (id int PRIMARY KEY); "
        "CREATE TABLE public.u (id int PRIMARY KEY); CREATE TYPE public._u AS ENUM ('a', 'b')");
    const std::string types =
        "SELECT string_agg(c.relname || ' ' || a.typname, ', ' ORDER BY c.relname) FROM pg_class c JOIN pg_type r ON "
        "r.oid = "
        "c.reltype JOIN pg_type a ON a.oid = r.typarray WHERE c.relnamespace = 'public'::regnamespace";
    const std::string before = sql().scalar(types);
    for (const char* table : {"t", "_t", "u"}) {
        EXPECT_TRUE(
            exited(command("run", {"--table", table, "--alter", "ALTER COLUMN id TYPE bigint", "--keep-old"}), 0));
    }
    EXPECT_EQ(sql().scalar(types), before);
    EXPECT_EQ(sql().scalar("SELECT enum_range(NULL::public._u)::text"), "{a,b}");
}

TEST_F(told_by_plan, a_materialized_view_keeps_the_name_of_its_array_type) {
    make_table(50);
    sql().execute(
        "CREATE MATERIALIZED VIEW public.m AS SELECT count(*) AS n FROM public.t; CREATE TYPE public._m AS (i int)");
    EXPECT_TRUE(exited(run({"--repack", "--keep-old"}), 0));
    EXPECT_EQ(sql().number("SELECT n FROM public.m"), 50);
}

TEST_F(told_by_plan, a_name_that_an_array_type_cannot_get_is_refused) {
    make_table(50);
    sql().execute(
        "ALTER TABLE public.t RENAME TO w; CREATE TYPE public._t AS ENUM ('a'); ALTER TABLE public.w RENAME TO t; "
        "DROP TYPE public._t; CREATE TYPE public._t AS ENUM ('b')");
    EXPECT_TRUE(exited(run({"--repack", "--keep-old"}), 0));
    EXPECT_EQ(sql().number("SELECT cardinality(array_agg(t)) FROM public.t"), 50);
}

TEST_F(told_by_plan, a_new_owner_gets_the_sequences_too) {
    sql().execute(
        "CREATE TABLE public.t (id serial PRIMARY KEY, note text); INSERT INTO public.t (note) SELECT 'x' FROM "
        "generate_series(1, 50)");
    const std::string bob = db().create_role("bob");
    sql().execute("GRANT CREATE ON SCHEMA public TO " + bob);
    EXPECT_TRUE(exited(run({"--alter", "OWNER TO " + bob, "--keep-old"}), 0));
    EXPECT_EQ(sql().scalar("SELECT string_agg(pg_get_userbyid(relowner), ',') FROM pg_class WHERE oid IN "
                           "('public.t'::regclass, pg_get_serial_sequence('public.t', 'id')::regclass)"),
              bob + "," + bob);
    EXPECT_EQ(sql().number("INSERT INTO public.t (note) VALUES ('y') RETURNING id"), 51);
}

TEST_F(told_by_plan, a_new_owner_without_rights_in_the_schema_is_refused_as_by_alter_table) {
    make_table(50);
    const std::string owner = owner_of_table();
    const std::string bob = db().create_role("bob");
    sql().execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT " + bob + " TO " + owner);
    expect_refused(db().uri_as(owner), {"--alter", "OWNER TO " + bob}, {bob, "schema public"});
}

TEST_F(told_by_plan, an_identity_that_has_outgrown_its_new_type) {
    sql().execute(
        "CREATE TABLE public.t (id int PRIMARY KEY, n bigint GENERATED ALWAYS AS IDENTITY); "
        "SELECT setval('public.t_n_seq', 3000000000); INSERT INTO public.t OVERRIDING SYSTEM VALUE VALUES (1, 1)");
    expect_refused(db().uri(), {"--alter", "ALTER COLUMN n TYPE int"}, {"3000000000"});
}

TEST_F(told_by_plan, no_row_fits_an_added_column) {
    make_table(50);
    sql().execute("CREATE DOMAIN public.named AS text NOT NULL");
    for (const char* column : {"x int NOT NULL", "x int DEFAULT 0 CHECK (x > 0)", "x int DEFAULT NULL NOT NULL"}) {
        expect_refused(db().uri(), {"--alter", std::string("ADD COLUMN ") + column}, {"public.t", "x"});
    }
    expect_refused(db().uri(), {"--alter", "ADD COLUMN x int NOT NULL, ADD COLUMN y int DEFAULT 3"}, {"public.t", "x"});
    // Computed, numbered, or over other columns too: these do.
    for (const std::vector<std::string>& change :
         {std::vector<std::string>{"--alter", "ADD COLUMN x int NOT NULL", "--set", "x = id"},
          std::vector<std::string>{"--alter", "ADD COLUMN y bigint GENERATED ALWAYS AS IDENTITY NOT NULL"},
          std::vector<std::string>{"--alter", "ADD COLUMN z int DEFAULT 0 CHECK (z < id)"}}) {
        EXPECT_TRUE(exited(run({change.begin(), change.end()}), 0));
    }
    sql().execute("TRUNCATE public.t");
    EXPECT_TRUE(exited(run({"--alter", "ADD COLUMN empty int NOT NULL"}), 0));
}

TEST_F(told_by_plan, a_sequence_of_a_dropped_column_that_others_draw_from) {
    sql().execute(
        "CREATE TABLE public.t (id int PRIMARY KEY, n serial); CREATE TABLE public.u (n int DEFAULT "
        "nextval('public.t_n_seq'))");
    expect_refused(db().uri(), {"--alter", "DROP COLUMN n"}, {"t_n_seq", "table public.u"});
}

TEST_F(told_by_plan, the_right_to_refer_to_a_table_is_enough) {
    sql().execute(
        "CREATE TABLE public.countries (code text PRIMARY KEY); INSERT INTO public.countries VALUES ('a'), ('b'); "
        "CREATE TABLE public.t (id int PRIMARY KEY, country text CONSTRAINT fk REFERENCES public.countries); "
        "INSERT INTO public.t SELECT i, 'a' FROM generate_series(1, 50) i");
    const std::string owner = owner_of_table();
    const std::string other = db().create_role("other");
    sql().execute("ALTER TABLE public.countries OWNER TO " + other +
                  "; GRANT REFERENCES (code) ON public.countries TO " + owner);
    EXPECT_TRUE(exited(run_as(owner, wider), 0));
    EXPECT_EQ(1, sql().number("SELECT convalidated::int FROM pg_constraint WHERE conname = 'fk'"));
    EXPECT_EQ(sql().sqlstate_of("INSERT INTO public.t VALUES (1000, 'nowhere')"), "23503");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"cleanup", "--all"}), 0));
    // Rows that violate a new key are looked for before the swap.
    expect_refused(db().uri_as(owner),
                   {"--alter", "ADD CONSTRAINT more FOREIGN KEY (country) REFERENCES public.countries"},
                   {"SELECT", "public.countries"});
}

// It is locked by referring to it, after the table itself: whoever has written to that wants to look here next.
TEST_F(told_by_plan, who_holds_a_table_that_is_only_referred_to_is_named) {
    sql().execute(
        "CREATE TABLE public.countries (code text PRIMARY KEY); INSERT INTO public.countries VALUES ('a'); CREATE "
        "TABLE public.t (id int PRIMARY KEY, country text REFERENCES public.countries); INSERT INTO public.t "
        "SELECT i, 'a' FROM generate_series(1, 50) i");
    const std::string owner = owner_of_table();
    sql().execute("GRANT REFERENCES ON public.countries TO " + owner);
    auto reader = db().connect();
    reader.execute("BEGIN; SELECT count(*) FROM public.countries");
    const run_result blocked = run_as(owner, {"--repack", "--swap-attempts", "12"});
    EXPECT_TRUE(exited(blocked, 4));
    EXPECT_TRUE(says(blocked, {std::to_string(reader.backend_pid())}));
    reader.execute("COMMIT");
    auto writer = db().connect();
    writer.execute("BEGIN; INSERT INTO public.t VALUES (1000, NULL)");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"resume", "1", "--swap-attempts", "12"}), 4));
    writer.execute("UPDATE public.t SET country = 'a' WHERE id = 1000; COMMIT");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"resume", "1"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.t WHERE country = 'a'"), 51);
}

TEST_F(told_by_plan, a_table_that_is_referred_to_may_have_columns_of_hidden_types) {
    sql().execute(
        R"(CREATE SCHEMA secret; CREATE TYPE secret.grade AS ENUM ('a', 'b'); CREATE TYPE public.mood AS ENUM ('fine');
        REVOKE USAGE ON TYPE public.mood FROM PUBLIC; CREATE TABLE public.partners (id int PRIMARY KEY, grade secret.grade,
            mood public.mood); INSERT INTO public.partners VALUES (1, 'a', 'fine');
        CREATE TABLE public.t (id int PRIMARY KEY, partner int CONSTRAINT fk REFERENCES public.partners);
        INSERT INTO public.t SELECT i, 1 FROM generate_series(1, 50) i)");
    const std::string owner = owner_of_table();
    const std::string other = db().create_role("other");
    sql().execute("ALTER TABLE public.partners OWNER TO " + other +
                  "; GRANT SELECT, REFERENCES, UPDATE ON public.partners TO " + owner);
    EXPECT_TRUE(exited(run_as(owner, wider), 0));
    EXPECT_EQ(1, sql().number("SELECT convalidated::int FROM pg_constraint WHERE conname = 'fk'"));
}

TEST_F(told_by_plan, views_in_schemas_where_the_role_may_not_create) {
    for (const char* what : {"VIEW reporting.o AS SELECT id, note FROM public.t",
                             "MATERIALIZED VIEW reporting.o AS SELECT count(*) FROM public.t"}) {
        make_table(50);
        const std::string owner = owner_of_table();
        sql().execute("CREATE SCHEMA reporting; GRANT USAGE ON SCHEMA reporting TO " + owner + "; CREATE " + what +
                      "; ALTER " + (what[0] == 'V' ? "VIEW" : "MATERIALIZED VIEW") + " reporting.o OWNER TO " + owner);
        expect_refused(db().uri_as(owner), {"--repack"}, {"reporting.o", "CREATE", "schema reporting"});
        sql().execute("GRANT CREATE ON SCHEMA reporting TO " + owner);
        EXPECT_TRUE(exited(run_as(owner, {"--repack"}), 0));
        EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), {"cleanup", "--all"}), 0));
        sql().execute("DROP SCHEMA reporting CASCADE; DROP TABLE public.t; REASSIGN OWNED BY " + owner +
                      " TO CURRENT_USER; DROP OWNED BY " + owner + "; DROP ROLE " + owner);
    }
}

TEST_F(told_by_plan, partitions_beside_it_that_the_role_may_not_lock) {
    sql().execute(R"(CREATE TABLE public.p (id int PRIMARY KEY, note text) PARTITION BY RANGE (id);
        CREATE TABLE public.t PARTITION OF public.p FOR VALUES FROM (0) TO (100);
        CREATE TABLE public.sibling PARTITION OF public.p FOR VALUES FROM (100) TO (200);
        CREATE TABLE public.lines (p int CONSTRAINT fk REFERENCES public.p); INSERT INTO public.p SELECT i FROM
            generate_series(1, 50) i)");
    const std::string owner = owner_of_table();
    sql().execute("ALTER TABLE public.p OWNER TO " + owner + "; ALTER TABLE public.lines OWNER TO " + owner);
    expect_refused(db().uri_as(owner), {"--repack"}, {"public.sibling"});
    sql().execute("GRANT UPDATE ON public.sibling TO " + owner);
    EXPECT_TRUE(exited(run_as(owner, {"--repack"}), 0));
}

// Of the commands that pgeist needs, this one refuses what is first needed after the swap.
TEST_F(told_by_plan, an_event_trigger_that_keeps_tables_from_being_dropped) {
    make_table(50);
    sql().execute(R"(CREATE FUNCTION public.no_drop() RETURNS event_trigger LANGUAGE plpgsql AS $$
        DECLARE r record; BEGIN FOR r IN SELECT * FROM pg_event_trigger_dropped_objects() LOOP
            IF r.object_type = 'table' AND NOT r.is_temporary THEN RAISE EXCEPTION 'tables are kept here'; END IF;
        END LOOP; END $$; CREATE EVENT TRIGGER house_rule ON sql_drop EXECUTE FUNCTION public.no_drop())");
    expect_refused(db().uri(), wider, {"house_rule", "tables are kept here"});
}

TEST_F(told_by_plan, an_event_trigger_that_changes_every_new_table) {
    make_table(50);
    sql().execute(
        R"(CREATE TABLE public.kind (sql text); CREATE FUNCTION public.rule() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM pg_event_trigger_ddl_commands() WHERE object_type = 'table' AND command_tag LIKE
            'CREATE TABLE%' LOOP
            EXECUTE format((SELECT k.sql FROM public.kind k), r.object_identity); END LOOP; END $$;
        CREATE EVENT TRIGGER house_rule ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.rule())");
    for (const char* kind : {"ALTER TABLE %s ENABLE ROW LEVEL SECURITY", "ALTER TABLE %s ADD COLUMN created_by text"}) {
        sql().query("INSERT INTO public.kind VALUES ($1)", {kind});
        expect_refused(db().uri(), wider, {"house_rule"});
        sql().execute("TRUNCATE public.kind");
    }
}

TEST_F(told_by_plan, columns_that_hold_its_oid) {
    make_table(50);
    sql().execute(
        "CREATE TABLE public.watched (rel regclass, other regclass); CREATE TABLE public.log (relid oid); CREATE "
        "TABLE public.locked (rel regclass); INSERT INTO public.watched VALUES ('public.t', 'public.log'); INSERT "
        "INTO public.log VALUES ('public.t'::regclass); INSERT INTO public.locked VALUES ('public.t')");
    auto other = db().connect();
    other.execute("BEGIN; LOCK TABLE public.locked");  // waited for by nobody
    const run_result plan = command("plan", {"--table", "t", "--repack"});
    EXPECT_TRUE(exited(plan, 0));
    EXPECT_TRUE(says(plan, {"column rel of public.watched", "column relid of public.log"}));
    EXPECT_FALSE(plan.mentions("column other"));
    EXPECT_FALSE(plan.mentions("public.locked"));
}

TEST_F(told_by_plan, what_subscribers_do_not_get) {
    make_table(50);
    sql().execute("CREATE PUBLICATION feed FOR TABLE public.t");
    EXPECT_TRUE(
        says(command("plan", {"--table", "t", "--alter", "ADD COLUMN x int"}), {"publication feed", "subscribers"}));
    EXPECT_TRUE(
        says(command("plan", {"--table", "t", "--alter", "SET (fillfactor = 80)", "--set", "note = upper(note)"}),
             {"publication feed", "subscribers"}));
    EXPECT_FALSE(command("plan", {"--table", "t", "--repack"}).mentions("subscribers"));
}

TEST_F(told_by_plan, a_table_that_somebody_has_locked_is_no_failure) {
    make_table(50);
    auto other = db().connect();
    other.execute("BEGIN; LOCK TABLE public.t");
    for (const char* name : {"plan", "run"}) {
        const run_result result = command(name, {"--table", "t", "--repack"});
        EXPECT_TRUE(exited(result, 4));
        EXPECT_TRUE(says(result, {"public.t", "ACCESS EXCLUSIVE", std::to_string(other.backend_pid())}));
    }
    expect_nothing_left();
}

}  // namespace
}  // namespace pgeist::test
