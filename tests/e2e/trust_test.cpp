// What somebody else has put into the database for pgeist to find: things named like those it uses, and a schema that
// looks like its own. Nothing of it may be executed with the rights of who runs pgeist.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/kitchen_sink_sql.hpp"
#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// Schema evil with a twin of each function, operator, type and relation of pg_catalog, as far as one can be made, and
/// a cast. Whoever calls one moves the sequence, which no rollback takes back.
constexpr const char* plant = R"sql(
    CREATE SCHEMA evil;
    CREATE SEQUENCE evil.trap;
    CREATE FUNCTION evil.is_trapped() RETURNS bool LANGUAGE sql AS 'SELECT pg_catalog.nextval(''evil.trap'') IS NOT NULL';
    CREATE FUNCTION pg_temp.twin(oid, text, text) RETURNS void LANGUAGE plpgsql AS $$
    BEGIN
        EXECUTE pg_catalog.format('CREATE FUNCTION evil.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', $2, $3,
            (SELECT pg_catalog.format_type(prorettype, NULL) FROM pg_proc WHERE oid = $1),
            'BEGIN PERFORM pg_catalog.nextval(''evil.trap''); RAISE EXCEPTION ''trapped by %'', ' || quote_literal($2) || '; END');
    EXCEPTION WHEN OTHERS THEN NULL;
    END $$;
    DO $$
    DECLARE f record; args text;
    BEGIN
        FOR f IN SELECT p.oid, p.proname, p.proargtypes FROM pg_proc p
                  WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.proname !~ '(in|out|recv|send|support|transfn|sel|handler)$'
                    AND p.prorettype NOT IN ('internal'::regtype, 'cstring'::regtype, 'trigger'::regtype) LOOP
            args := (SELECT string_agg(format_type(a, NULL), ', ') FROM unnest(f.proargtypes::oid[]) AS a);
            PERFORM pg_temp.twin(f.oid, f.proname, coalesce(args, ''));
        END LOOP;
        FOR f IN SELECT o.oid, o.oprname, o.oprcode, format_type(nullif(o.oprleft, 0), NULL) AS l, format_type(o.oprright, NULL) AS r
                   FROM pg_operator o WHERE o.oprnamespace = 'pg_catalog'::regnamespace AND o.oprright <> 0 LOOP
            PERFORM pg_temp.twin(f.oprcode, 'op_' || f.oid, concat_ws(', ', f.l, f.r));
            BEGIN
                EXECUTE format('CREATE OPERATOR evil.%s (%sRIGHTARG = %s, FUNCTION = evil.%I)', f.oprname,
                               coalesce('LEFTARG = ' || f.l || ', ', ''), f.r, 'op_' || f.oid);
            EXCEPTION WHEN OTHERS THEN NULL;
            END;
        END LOOP;
        FOR f IN SELECT typname FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace AND typtype = 'b' AND typelem = 0 LOOP
            EXECUTE format('CREATE DOMAIN evil.%I AS pg_catalog.%I CHECK (evil.is_trapped())', f.typname, f.typname);
        END LOOP;
        FOR f IN SELECT relname FROM pg_class WHERE relnamespace = 'pg_catalog'::regnamespace AND relkind IN ('r', 'v')
                    AND relname NOT IN (SELECT typname FROM pg_type WHERE typnamespace = 'evil'::regnamespace) LOOP
            EXECUTE format('CREATE VIEW evil.%I AS SELECT evil.is_trapped()', f.relname);
        END LOOP;
    END $$;
    CREATE TYPE evil.ghost AS ENUM ('a');
    CREATE FUNCTION evil.to_ghost(pg_catalog.text) RETURNS evil.ghost LANGUAGE sql AS 'SELECT ''a''::evil.ghost WHERE evil.is_trapped()';
    CREATE CAST (pg_catalog.text AS evil.ghost) WITH FUNCTION evil.to_ghost(pg_catalog.text) AS IMPLICIT;
    GRANT USAGE ON SCHEMA evil TO PUBLIC)sql";

class planted : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (!IsSkipped()) {
            sql().execute(plant);
            ASSERT_GT(sql().number("SELECT count(*) FROM pg_proc WHERE pronamespace = 'evil'::regnamespace"), 1500);
            ASSERT_GT(sql().number("SELECT count(*) FROM pg_operator WHERE oprnamespace = 'evil'::regnamespace"), 500);
            make_table(500);
            sql().execute("ALTER DATABASE " + db().name() + " SET search_path = evil, pg_catalog, public");
        }
    }

    void expect_untouched(const std::string& after) {
        EXPECT_FALSE(sql().scalar("SELECT is_called FROM evil.trap") == "t") << after;
    }

    void expect_fine(const std::string& name, const std::vector<std::string>& arguments = {}) {
        EXPECT_TRUE(exited(command(name, arguments), 0)) << name;
        expect_untouched(name);
    }
};

TEST_F(planted, things_named_like_those_of_the_server_are_never_used) {
    ASSERT_EQ(db().connect().sqlstate_of("SELECT lower('A')"), "P0001") << "who is not careful is trapped";
    sql().execute("ALTER SEQUENCE evil.trap RESTART");
    const std::vector<std::string> change{"--alter",
                                          "ALTER COLUMN id TYPE bigint, ADD COLUMN made pg_catalog.timestamptz DEFAULT "
                                          "pg_catalog.now()"};
    std::vector<std::string> arguments{"--verbose", "--table", "t"};
    arguments.insert(arguments.end(), change.begin(), change.end());
    expect_fine("status");
    expect_fine("plan", arguments);
    expect_fine("repack-candidates");
    arguments = change;
    arguments.insert(arguments.end(), {"--postpone-swap", "--chunk-rows", "100"});
    {
        pgeist_process first = start(arguments);
        first.wait_for_phase("swap");
        first.kill_hard();
    }
    pgeist_process running(db().uri(), {"resume", "--output", "json", "1"});
    running.wait_for_phase("swap");
    sql().execute("UPDATE public.t SET note = 'again' WHERE id < 50; UPDATE public.t SET id = -id WHERE id = 60");
    for (const char* name : {"status", "pause", "continue", "verify"}) {
        expect_fine(name, {"1"});
    }
    expect_fine("set", {"1", "workers=2"});
    expect_fine("swap", {"1"});
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_untouched("the run");
    expect_fine("cleanup", {"--all"});
    EXPECT_EQ(type_of("id"), "bigint");
}

// ---------------------------------------------------------------------------------------------------------------------

/// A role that may create schemas has made schema pgeist.
class state_of_a_stranger : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        stranger = db().create_role("stranger");
        sql().execute("GRANT CREATE ON DATABASE " + db().name() + " TO " + stranger +
                      "; GRANT USAGE, CREATE ON SCHEMA public TO " + stranger);
        make_table(100);
        sql().execute("CREATE TABLE public.own (id int PRIMARY KEY); ALTER TABLE public.own OWNER TO " + stranger);
        sql().execute(
            "CREATE SCHEMA evil; CREATE SEQUENCE evil.trap; GRANT USAGE ON SCHEMA evil TO PUBLIC; GRANT ALL ON "
            "SEQUENCE "
            "evil.trap TO PUBLIC; CREATE FUNCTION evil.f(text) RETURNS text IMMUTABLE LANGUAGE plpgsql AS 'BEGIN "
            "PERFORM "
            "nextval(''evil.trap''); RETURN $1; END'; CREATE FUNCTION evil.fire() RETURNS trigger LANGUAGE plpgsql AS "
            "'BEGIN PERFORM nextval(''evil.trap''); RETURN new; END'");
    }

    void as_stranger(const std::string& statements) { db().connect_as(stranger).execute(statements); }

    void expect_refused(const std::string& name, const std::vector<std::string>& arguments = {}) {
        const run_result result = command(name, arguments);
        EXPECT_TRUE(exited(result, 3)) << name;
        EXPECT_TRUE(says(result, {"belongs to role " + stranger, "pgeist"})) << name;
    }

    void expect_all_refused() {
        expect_refused("plan", {"--table", "t", "--repack"});
        expect_refused("run", {"--table", "t", "--repack"});
        expect_refused("resume", {"1"});
        expect_refused("verify", {"1"});
        expect_refused("cleanup", {"--all"});
    }

    void expect_untouched() { EXPECT_EQ(sql().scalar("SELECT is_called FROM evil.trap"), "f"); }

    std::string stranger;
};

TEST_F(state_of_a_stranger, is_not_believed_when_there_are_triggers) {
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(stranger), {"run", "--table", "own", "--repack"}), 0));
    as_stranger(
        "CREATE TRIGGER fire BEFORE INSERT OR UPDATE ON pgeist.jobs FOR EACH ROW EXECUTE FUNCTION evil.fire(); ALTER "
        "TABLE pgeist.jobs ALTER COLUMN message SET DEFAULT evil.f('x')");
    expect_all_refused();
    expect_untouched();
    as_stranger("DROP TRIGGER fire ON pgeist.jobs");
    expect_refused("run", {"--table", "t", "--repack"});
    as_stranger(
        "ALTER TABLE pgeist.jobs ALTER COLUMN message SET DEFAULT query_to_xml('SELECT 1', true, true, '')::text");
    expect_refused("run", {"--table", "t", "--repack"});
    // What only reads plain columns executes nothing of it.
    EXPECT_TRUE(says(command("status"), {"own", "done"}));
    expect_untouched();
    // The stranger's own jobs are the stranger's business.
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(stranger), {"cleanup", "--all"}), 0));
    expect_nothing_left();
    EXPECT_TRUE(exited(run({"--repack"}), 0));
}

TEST_F(state_of_a_stranger, is_not_even_read_when_reading_would_execute_something) {
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(stranger), {"run", "--table", "own", "--repack"}), 0));
    sql().execute("ALTER SEQUENCE evil.trap RESTART");
    for (const std::string& bait :
         {std::string("CREATE INDEX bait ON pgeist.jobs (evil.f(state))"),
          std::string("ALTER TABLE pgeist.jobs ADD COLUMN bait text GENERATED ALWAYS AS (evil.f(state)) STORED"),
          std::string("ALTER TABLE pgeist.jobs RENAME TO jobs_kept; CREATE VIEW pgeist.jobs AS SELECT evil.f(state) AS "
                      "bait, j.* FROM pgeist.jobs_kept j")}) {
        as_stranger(bait);
        sql().execute("ALTER SEQUENCE evil.trap RESTART");  // making it has executed it, for the stranger
        expect_refused("status");
        expect_untouched();
        sql().execute("DROP INDEX IF EXISTS pgeist.bait");
        if (bait.find("ADD COLUMN") != std::string::npos) {
            sql().execute("ALTER TABLE pgeist.jobs DROP COLUMN bait CASCADE");
        }
    }
    expect_all_refused();
    expect_untouched();
    sql().execute("DROP SCHEMA pgeist CASCADE");
}

TEST_F(state_of_a_stranger, is_believed_from_owners_of_the_database_and_members) {
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(stranger), {"run", "--table", "own", "--repack"}), 0));
    const std::string member = db().create_role("member");
    sql().execute("GRANT " + stranger + " TO " + member +
                  "; CREATE TABLE public.of_member (id int PRIMARY KEY); ALTER "
                  "TABLE public.of_member OWNER TO " +
                  member + "; GRANT CREATE ON SCHEMA public TO " + member);
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(member), {"run", "--table", "of_member", "--repack"}), 0));
    as_stranger("ALTER TABLE pgeist.jobs ALTER COLUMN message SET DEFAULT evil.f('x')");
    expect_refused("run", {"--table", "t", "--repack"});
    sql().execute("ALTER DATABASE " + db().name() + " OWNER TO " + stranger);
    expect_refused("run", {"--table", "t", "--repack"});  // a superuser has more rights than the database's owner
    const std::string other = db().create_role("other");
    sql().execute("GRANT CREATE ON DATABASE " + db().name() + " TO " + other +
                  "; GRANT USAGE, CREATE ON SCHEMA public TO " + other +
                  "; CREATE TABLE public.of_other (id int PRIMARY KEY); ALTER TABLE public.of_other OWNER TO " + other);
    const run_result allowed = run_pgeist(db().uri_as(other), {"run", "--table", "of_other", "--repack"});
    EXPECT_TRUE(says(allowed, {"permission denied for schema pgeist"})) << "believed, and not let in";
    as_stranger("ALTER TABLE pgeist.jobs ALTER COLUMN message DROP DEFAULT");
    expect_cleanup_leaves_nothing();
    sql().execute("ALTER DATABASE " + db().name() + " OWNER TO CURRENT_USER");
}

TEST_F(state_of_a_stranger, is_looked_after_by_a_superuser_while_nothing_was_added_to_it) {
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(stranger), {"run", "--table", "own", "--repack"}), 0));
    EXPECT_TRUE(exited(command("status"), 0));
    // The statements of a job on another one's table are stored, and executed, as the stranger likes.
    expect_refused("run", {"--table", "t", "--repack"});
    EXPECT_TRUE(exited(command("run", {"--table", "own", "--repack"}), 0)) << "the stranger's own";
    expect_cleanup_leaves_nothing();
}

// One rule for all commands. What is there for people with psql is the stranger's, and is not executed.
TEST_F(state_of_a_stranger, is_steered_by_a_superuser_while_nothing_was_added_to_its_tables) {
    pgeist_process running(db().uri_as(stranger),
                           {"run", "--output", "json", "--table", "own", "--repack", "--postpone-swap"});
    running.wait_for_phase("swap");
    as_stranger(
        "DROP FUNCTION pgeist.steer; CREATE FUNCTION pgeist.steer(job bigint, action text, name text DEFAULT NULL, "
        "value "
        "text DEFAULT NULL) RETURNS bigint LANGUAGE plpgsql AS 'BEGIN RETURN nextval(''evil.trap''); END'; DROP VIEW "
        "pgeist.status; CREATE VIEW pgeist.status AS SELECT id AS job, evil.f('x') = 'x' AS alive FROM pgeist.jobs");
    sql().execute("ALTER SEQUENCE evil.trap RESTART");
    for (const auto& [name, arguments] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"pause", {"1"}}, {"continue", {"1"}}, {"set", {"1", "workers=1"}}, {"verify", {"1"}}, {"status", {}}}) {
        EXPECT_TRUE(exited(command(name, arguments), 0)) << name;
        expect_untouched();
    }
    as_stranger("CREATE TRIGGER fire BEFORE INSERT OR UPDATE ON pgeist.events FOR EACH ROW WHEN (current_user <> '" +
                stranger + "') EXECUTE FUNCTION evil.fire()");  // the stranger's own run writes there
    for (const auto& [name, arguments] : std::vector<std::pair<std::string, std::vector<std::string>>>{
             {"pause", {"1"}}, {"set", {"1", "workers=1"}}, {"verify", {"1"}}, {"swap", {"1"}}, {"cancel", {"1"}}}) {
        expect_refused(name, arguments);
    }
    expect_untouched();
    as_stranger("DROP TRIGGER fire ON pgeist.events");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    expect_untouched();
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    expect_nothing_left();
}

TEST_F(state_of_a_stranger, leads_no_superuser_to_schemas_of_his_own) {
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(stranger), {"run", "--table", "own", "--repack"}), 0));
    sql().execute("CREATE SCHEMA pgeist_7; CREATE TABLE pgeist_7.mine (a int)");
    const std::string job =
        "INSERT INTO pgeist.jobs OVERRIDING SYSTEM VALUE SELECT (jsonb_populate_record(j, jsonb_build_object('id', 7, "
        "'token', gen_random_uuid(), 'table_oid', 'public.t'::regclass::oid, 'parent', $parent$))).* FROM pgeist.jobs "
        "j "
        "WHERE id = 1; ";
    // By itself, and as a step of a file's job.
    for (const std::string parent : {"NULL", "1"}) {
        as_stranger(replaced(job, "$parent$", parent) +
                    (parent == "1"
                         ? "UPDATE pgeist.jobs SET kind = 'file', phase = 'steps', state = 'failed' WHERE id = 1"
                         : ""));
        const run_result refused = command("cleanup", {"7"});
        EXPECT_TRUE(exited(refused, 3));
        EXPECT_TRUE(says(refused, {"schema pgeist_7 belongs to role"}));
        EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist_7.mine"), 0);
        as_stranger("DELETE FROM pgeist.jobs WHERE id = 7");
    }
    as_stranger("UPDATE pgeist.jobs SET kind = 'copy', phase = 'done', state = 'done' WHERE id = 1");
    sql().execute("DROP SCHEMA pgeist_7 CASCADE");
    expect_cleanup_leaves_nothing();
}

TEST_F(state_of_a_stranger, stays_the_strangers_when_a_superuser_brings_it_up_to_date) {
    for (int run = 0; run < 2; ++run) {
        EXPECT_TRUE(exited(run_pgeist(db().uri_as(stranger), {"run", "--table", "own", "--repack"}), 0));
    }
    as_stranger(
        "DROP FUNCTION pgeist.steer; DROP VIEW pgeist.status; COMMENT ON SCHEMA pgeist IS 'pgeist: state of online "
        "table "
        "changes'");
    EXPECT_TRUE(exited(command("cleanup", {"1"}), 0));
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_proc WHERE oid = to_regproc('pgeist.steer')"), 1);
    EXPECT_EQ(
        sql().scalar("SELECT string_agg(DISTINCT pg_get_userbyid(owner), ',') FROM (SELECT relowner AS owner FROM "
                     "pg_class WHERE relnamespace = 'pgeist'::regnamespace UNION ALL SELECT proowner FROM pg_proc "
                     "WHERE pronamespace = 'pgeist'::regnamespace) AS o"),
        stranger);
    EXPECT_EQ(db().connect_as(stranger).number("SELECT count(*) FROM pgeist.status"), 1);
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(stranger), {"cleanup", "--all"}), 0));
    expect_nothing_left();
}

TEST_F(state_of_a_stranger, may_be_an_empty_schema) {
    as_stranger("CREATE SCHEMA pgeist");
    expect_all_refused();
    sql().execute("DROP SCHEMA pgeist");
}

}  // namespace
}  // namespace pgeist::test
