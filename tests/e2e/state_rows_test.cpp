// The rows of schema pgeist are statements that a run executes: whoever may write them decides what is executed with
// the rights of who runs, resumes, verifies or cleans up.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// Role mal has made schema pgeist by a run of its own, on a table of its own: job 1.
class rows_of_a_stranger : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        mal = db().create_role("mal");
        sql().execute(
            "GRANT CREATE ON DATABASE " + db().name() + " TO " + mal + "; GRANT USAGE, CREATE ON SCHEMA public TO " +
            mal + "; CREATE TABLE public.own (id int PRIMARY KEY, note text); ALTER TABLE public.own OWNER TO " + mal);
        make_table(100);
    }

    run_result as_mal(const std::vector<std::string>& arguments) { return run_pgeist(db().uri_as(mal), arguments); }

    void execute_as_mal(const std::string& statements) { db().connect_as(mal).execute(statements); }

    /// Job 1 stands before its swap.
    void interrupt_own_job() {
        pgeist_process running(db().uri_as(mal),
                               {"run", "--output", "json", "--table", "own", "--repack", "--postpone-swap"});
        running.wait_for_phase("swap");
        running.kill_hard();
    }

    /// Job 1 has swapped, and is left with a statement of mal's to do.
    void plant_statement() {
        execute_as_mal(
            "UPDATE pgeist.jobs SET phase = 'finish', state = 'running', blueprint = jsonb_set(blueprint, '{finish}', "
            "'[{\"label\": \"x\", \"sql\": \"ALTER ROLE " +
            mal + " SUPERUSER\"}]') WHERE id = 1");
    }

    void expect_no_more_rights() {
        EXPECT_EQ(sql().scalar("SELECT rolsuper FROM pg_roles WHERE rolname = '" + mal + "'"), "f");
    }

    void expect_refused(const std::string& name, const std::vector<std::string>& arguments,
                        const std::vector<std::string>& texts) {
        const run_result result = command(name, arguments);
        EXPECT_TRUE(exited(result, 3)) << name;
        EXPECT_TRUE(says(result, texts)) << name;
        expect_no_more_rights();
    }

    std::string mal;
};

TEST_F(rows_of_a_stranger, are_not_executed_by_a_clean_up) {
    for (int run = 0; run < 2; ++run) {
        EXPECT_TRUE(exited(as_mal({"run", "--table", "own", "--repack"}), 0));
    }
    plant_statement();
    expect_refused("cleanup", {"--all"}, {"job 1 has swapped public.own", "role " + mal, "pgeist resume 1"});
    EXPECT_EQ(sql().scalar("SELECT string_agg(id::text, ',') FROM pgeist.jobs"), "1") << "the other one is gone";
    expect_refused("cleanup", {"1"}, {"connect as role " + mal});
    execute_as_mal("UPDATE pgeist.jobs SET blueprint = jsonb_set(blueprint, '{finish}', '[]')");
    EXPECT_TRUE(exited(as_mal({"resume", "1"}), 0));
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    expect_nothing_left();
}

TEST_F(rows_of_a_stranger, are_not_executed_on_another_ones_table) {
    EXPECT_TRUE(exited(as_mal({"run", "--table", "own", "--repack"}), 0));
    plant_statement();
    // Whatever of the row says that it is about public.t.
    for (const char* lie :
         {"table_name = 't'", "table_oid = 'public.t'::regclass",
          "blueprint = jsonb_set(blueprint, '{table,name}', '\"t\"')",
          "blueprint = jsonb_set(blueprint, '{source_oid}', to_jsonb('public.t'::regclass::oid::bigint))"}) {
        execute_as_mal("CREATE TABLE IF NOT EXISTS public.kept AS TABLE pgeist.jobs; UPDATE pgeist.jobs SET " +
                       std::string(lie));
        expect_refused("resume", {"1"}, {"schema pgeist belongs to role " + mal, "job 1"});
        expect_refused("verify", {"1"}, {"schema pgeist belongs to role " + mal, "job 1"});
        execute_as_mal(
            "UPDATE pgeist.jobs j SET (table_name, table_oid, blueprint) = (SELECT table_name, table_oid, blueprint "
            "FROM public.kept k WHERE k.id = j.id)");
    }
    expect_refused("run", {"--table", "t", "--repack"}, {"schema pgeist belongs to role " + mal, "public.t"});
    expect_refused("plan", {"--table", "t", "--repack"}, {"schema pgeist belongs to role " + mal, "public.t"});
}

TEST_F(rows_of_a_stranger, are_executed_by_a_superuser_on_the_strangers_own_table_alone) {
    interrupt_own_job();
    sql().execute("ALTER TABLE public.own OWNER TO CURRENT_USER");
    expect_refused("resume", {"1"}, {"schema pgeist belongs to role " + mal, "table public.own belongs to role"});
    expect_refused("run", {"--table", "own", "--repack"}, {"schema pgeist belongs to role " + mal});
    sql().execute("ALTER TABLE public.own OWNER TO " + mal);
    pgeist_process again(db().uri(), {"resume", "--output", "json", "1"});
    again.wait_for_phase("swap");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(again.finish(), 0));
    EXPECT_TRUE(exited(command("run", {"--table", "own", "--repack"}), 0));
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    expect_nothing_left();
}

// A role that administers itself, or another, can make anybody a member of it.
TEST_F(rows_of_a_stranger, are_not_believed_since_a_superuser_was_made_a_member) {
    const std::string chief = db().create_role("chief", "SUPERUSER");
    sql().execute("GRANT " + mal + " TO " + chief);
    EXPECT_TRUE(exited(as_mal({"run", "--table", "own", "--repack"}), 0));
    const run_result result = run_pgeist(db().uri_as(chief), {"run", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"schema pgeist belongs to role " + mal}));
}

// What is deleted along with a row of pgeist.jobs fires triggers elsewhere, with the rights of who deletes it.
TEST_F(rows_of_a_stranger, take_no_rows_of_other_tables_with_them) {
    EXPECT_TRUE(exited(as_mal({"run", "--table", "own", "--repack"}), 0));
    execute_as_mal(
        "CREATE SCHEMA m; CREATE TABLE m.child (job bigint REFERENCES pgeist.jobs ON DELETE CASCADE); INSERT INTO "
        "m.child VALUES (1); CREATE FUNCTION m.fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF "
        "current_setting(''is_superuser'') = ''on'' THEN ALTER ROLE " +
        mal +
        " SUPERUSER; END IF; RETURN NULL; END'; CREATE TRIGGER fire AFTER DELETE ON m.child FOR EACH ROW EXECUTE "
        "FUNCTION m.fire()");
    expect_refused("cleanup", {"--all"}, {"schema pgeist belongs to role " + mal});
    execute_as_mal("DROP TABLE m.child");
    EXPECT_TRUE(exited(command("cleanup", {"--all"}), 0));
    expect_nothing_left();
}

// The number of a job is the stranger's, too.
TEST_F(rows_of_a_stranger, do_not_lead_a_clean_up_to_the_schema_of_somebody_else) {
    EXPECT_TRUE(exited(as_mal({"run", "--table", "own", "--repack"}), 0));
    const std::string third = db().create_role("third");
    sql().execute("CREATE SCHEMA pgeist_77 AUTHORIZATION " + third +
                  " CREATE TABLE precious (id int); ALTER TABLE pgeist_77.precious OWNER TO " + third);
    execute_as_mal(
        "INSERT INTO pgeist.jobs (id, table_schema, table_name, table_oid, change, settings, state) OVERRIDING SYSTEM "
        "VALUE SELECT 77, table_schema, table_name, table_oid, change, settings, state FROM pgeist.jobs");
    expect_refused("cleanup", {"77"}, {"schema pgeist_77 belongs to role " + third});
    EXPECT_EQ(sql().scalar("SELECT to_regclass('pgeist_77.precious') IS NOT NULL"), "t");
    sql().execute("DROP SCHEMA pgeist_77 CASCADE");
}

TEST_F(rows_of_a_stranger, can_be_given_nothing_to_execute_while_they_are_written_to) {
    pgeist_process running(db().uri_as(mal),
                           {"run", "--output", "json", "--table", "own", "--repack", "--postpone-swap"});
    running.wait_for_phase("swap");
    sync_connection holder = db().connect();
    holder.execute("BEGIN; SELECT FROM pgeist.jobs WHERE id = 1 FOR UPDATE");
    pgeist_process pausing(db().uri(), {"pause", "1"});
    wait_for("the request to wait for the row", [&] {
        return sql().number(
                   "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND "
                   "application_name = 'pgeist pause' AND wait_event_type = 'Lock'") == 1;
    });
    sync_connection planting = db().connect_as(mal);
    planting.execute(
        "SET lock_timeout = '100ms'; SET statement_timeout = '300ms'; CREATE FUNCTION public.f(text) RETURNS text "
        "IMMUTABLE LANGUAGE sql AS 'SELECT $1'; CREATE FUNCTION public.fire() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN new; END'");
    for (const char* trap :
         {"CREATE TRIGGER fire BEFORE UPDATE ON pgeist.jobs FOR EACH ROW EXECUTE FUNCTION public.fire()",
          "CREATE TRIGGER fire BEFORE INSERT ON pgeist.events FOR EACH ROW EXECUTE FUNCTION public.fire()",
          "CREATE INDEX trap ON pgeist.jobs (public.f(state))",
          "CREATE STATISTICS public.trap ON public.f(state), phase FROM pgeist.jobs",
          "CREATE RULE trap AS ON INSERT TO pgeist.events DO ALSO SELECT 1",
          "ALTER TABLE pgeist.jobs ALTER message SET DEFAULT public.f('x')"}) {
        EXPECT_EQ(planting.sqlstate_of(trap), "55P03") << trap;
    }
    EXPECT_NE(planting.sqlstate_of("ALTER SCHEMA pgeist RENAME TO elsewhere"), "") << "another would take its place";
    holder.execute("COMMIT");
    EXPECT_TRUE(exited(pausing.finish(), 0));
    EXPECT_TRUE(exited(command("continue", {"1"}), 0));
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
}

// ---------------------------------------------------------------------------------------------------------------------

/// Role own runs pgeist; what it makes is handed on to role nosy by default.
class rights_on_the_state : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        own = db().create_role("own");
        nosy = db().create_role("nosy");
        sql().execute("GRANT CREATE ON DATABASE " + db().name() + " TO " + own +
                      "; GRANT USAGE, CREATE ON SCHEMA public TO " + own);
        make_table(100);
        sql().execute("ALTER TABLE public.t OWNER TO " + own);
    }

    run_result repack() { return run_pgeist(db().uri_as(own), {"run", "--table", "t", "--repack"}); }

    /// What nosy, or everybody, may do in schema pgeist; to call the function has no rights of its own.
    std::string rights() {
        return sql().scalar(
            "SELECT coalesce(string_agg(DISTINCT name || ' ' || privilege, ', '), '') FROM (SELECT 'schema' AS name, "
            "x.grantee, x.privilege_type AS privilege FROM pg_namespace, aclexplode(nspacl) AS x WHERE nspname = "
            "'pgeist' UNION ALL "
            "SELECT relname, x.grantee, x.privilege_type FROM pg_class, aclexplode(relacl) AS x WHERE relnamespace = "
            "'pgeist'::regnamespace UNION ALL SELECT proname, nullif(x.grantee, 0), x.privilege_type FROM pg_proc, "
            "aclexplode(proacl) "
            "AS x WHERE pronamespace = 'pgeist'::regnamespace) AS r WHERE grantee = 0 OR pg_get_userbyid(grantee) = '" +
            nosy + "'");
    }

    std::string own;
    std::string nosy;
};

TEST_F(rights_on_the_state, are_not_those_that_are_given_by_default) {
    db().connect_as(own).execute("ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO " + nosy +
                                 "; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO " + nosy +
                                 "; ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO PUBLIC"
                                 "; ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO " +
                                 nosy + "; ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO " + nosy);
    EXPECT_TRUE(exited(repack(), 0));
    EXPECT_EQ(rights(), "");
}

TEST_F(rights_on_the_state, that_an_earlier_version_has_left_are_taken_away) {
    EXPECT_TRUE(exited(repack(), 0));
    db().connect_as(own).execute("GRANT ALL ON SCHEMA pgeist TO " + nosy +
                                 "; GRANT ALL ON ALL TABLES IN SCHEMA pgeist TO " + nosy);
    // A superuser leaves the state of others as it is, and is not to be led to anything by nosy either.
    sql().execute("ALTER TABLE public.t OWNER TO " + own);
    const run_result refused = command("run", {"--table", "t", "--repack"});
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"role " + nosy + " has the right", "REVOKE"}));
    db().connect_as(nosy).execute(
        "CREATE FUNCTION pgeist.trap() RETURNS "
        "trigger LANGUAGE plpgsql AS 'BEGIN RETURN new; END'; CREATE TRIGGER trap BEFORE UPDATE ON pgeist.jobs FOR "
        "EACH ROW EXECUTE FUNCTION pgeist.trap()");
    EXPECT_TRUE(exited(repack(), 3)) << "what nosy has left there";
    sql().execute("DROP FUNCTION pgeist.trap() CASCADE");
    EXPECT_TRUE(exited(repack(), 0));
    for (const char* right : {"jobs INSERT", "jobs UPDATE", "jobs TRIGGER", "events TRIGGER", "schema CREATE"}) {
        EXPECT_EQ(rights().find(right), std::string::npos) << right;
    }
    EXPECT_NE(rights().find("jobs SELECT"), std::string::npos) << "to look is no harm";
}

TEST_F(rights_on_the_state, that_are_documented_for_steering_are_enough_and_no_more_is_borne) {
    EXPECT_TRUE(exited(repack(), 0));
    db().connect_as(own).execute("GRANT USAGE ON SCHEMA pgeist TO " + nosy +
                                 "; GRANT SELECT, UPDATE ON pgeist.jobs TO " + nosy);
    const run_result refused = repack();
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {"role " + nosy + " has the right UPDATE on pgeist.jobs", "UPDATE (control)"}));
    const std::string watcher = db().create_role("watcher");
    sql().execute("GRANT " + own + " TO " + watcher + "; ALTER ROLE " + watcher + " NOINHERIT");
    db().connect_as(own).execute("GRANT USAGE ON SCHEMA pgeist, pgeist_1 TO " + watcher +
                                 "; GRANT SELECT ON pgeist.jobs TO " + watcher);
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(watcher), {"status"}), 0)) << "to look is no harm";
    db().connect_as(own).execute(
        "REVOKE UPDATE ON pgeist.jobs FROM " + nosy + "; GRANT UPDATE (control) ON pgeist.jobs TO " + nosy +
        "; GRANT INSERT ON pgeist.events TO " + nosy + "; GRANT SELECT ON pgeist.status TO " + nosy);
    pgeist_process running(db().uri_as(own),
                           {"run", "--output", "json", "--table", "t", "--repack", "--postpone-swap"});
    running.wait_for_phase("swap");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(nosy), {"pause", "2"}), 0));
    db().connect_as(nosy).execute("SELECT pgeist.steer(2, 'continue')");
    EXPECT_EQ(db().connect_as(nosy).sqlstate_of("UPDATE pgeist.jobs SET blueprint = NULL"), "42501");
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(nosy), {"swap", "2"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(own), {"cleanup", "--all"}), 0));
    expect_nothing_left();
}

}  // namespace
}  // namespace pgeist::test
