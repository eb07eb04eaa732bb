// Corners of a table's definition that are easily lost or changed on the way: each is carried to the last detail, or
// refused by name.

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/leftovers.hpp"
#include "support/table_description.hpp"

namespace pgeist::test {
namespace {

class carried_exactly : public run_test {
protected:
    /// Runs setup on public.t of 50 rows; the catalogs must be the same before and after a repack.
    void expect_carried(const std::string& setup, const std::vector<std::string>& more = {}) {
        make_table(50);
        sql().execute(setup);
        repack_changes_nothing(more);
    }

    void repack_changes_nothing(const std::vector<std::string>& more = {}) {
        const table_state before = state_of();
        std::vector<std::string> arguments{"--repack", "--drop-old"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        EXPECT_TRUE(exited(run(arguments), 0));
        EXPECT_EQ(description_difference(before.description, state_of().description), std::vector<std::string>{});
        EXPECT_EQ(state_of().digest, before.digest);
    }

    void expect_refused(const std::string& setup, const std::vector<std::string>& texts) {
        make_table(50);
        sql().execute(setup);
        const table_state before = state_of();
        const run_result result = run({"--repack"});
        EXPECT_TRUE(exited(result, 3));
        EXPECT_TRUE(says(result, texts));
        expect_unchanged(before);
        expect_nothing_left();
    }
};

// Adding a constraint waits for the builders of other indexes; two that did so before they had committed were a
// deadlock.
TEST_F(carried_exactly, many_unique_constraints_are_built_without_a_deadlock) {
    expect_carried(
        "ALTER TABLE public.t ADD UNIQUE (code), ADD UNIQUE (note), ADD UNIQUE (amount, id), ADD UNIQUE (note, code)",
        {"--index-jobs", "4"});
}

TEST_F(carried_exactly, a_foreign_key_stays_bound_to_its_index_when_an_older_one_would_do) {
    make_table(50);
    sql().execute(
        "ALTER TABLE public.t ADD CONSTRAINT its_own UNIQUE (note, code); CREATE TABLE public.child (note text, code "
        "int, "
        "FOREIGN KEY (code, note) REFERENCES public.t (code, note)); CREATE UNIQUE INDEX another ON public.t (code, "
        "note)");
    sql().execute("REINDEX INDEX CONCURRENTLY public.its_own");
    repack_changes_nothing();
}

TEST_F(carried_exactly, foreign_keys_by_two_indexes_over_the_same_columns_are_refused) {
    make_table(50);
    sql().execute(
        "ALTER TABLE public.t ADD CONSTRAINT its_own UNIQUE (note, code); CREATE TABLE public.child (note text, code "
        "int, "
        "FOREIGN KEY (code, note) REFERENCES public.t (code, note)); CREATE UNIQUE INDEX another ON public.t (code, "
        "note)");
    sql().execute("REINDEX INDEX CONCURRENTLY public.its_own");
    sql().execute("ALTER TABLE public.child ADD FOREIGN KEY (note, code) REFERENCES public.t (note, code)");
    const table_state before = state_of();
    const run_result result = run({"--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"foreign keys", "another"}));
    expect_unchanged(before);
    expect_nothing_left();
}

TEST_F(carried_exactly, rights_that_somebody_else_gave_need_a_member_of_that_role) {
    const std::string owner = db().create_role("owner");
    const std::string giver = db().create_role("giver");
    const std::string reader = db().create_role("reader");
    make_table(50);
    sql().execute("ALTER TABLE public.t OWNER TO " + owner + "; GRANT CREATE ON DATABASE " + db().name() + " TO " +
                  owner + "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner +
                  "; GRANT SELECT, UPDATE (note) ON public.t TO " + giver + " WITH GRANT OPTION; SET ROLE " + giver +
                  "; GRANT SELECT, UPDATE (note) ON public.t TO " + reader + "; RESET ROLE");
    const table_state before = state_of();
    const std::vector<std::string> repack{"run", "--table", "t", "--repack", "--drop-old"};
    const run_result refused = run_pgeist(db().uri_as(owner), repack);
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {giver, "rights"}));
    expect_unchanged(before);
    sql().execute("GRANT " + giver + " TO " + owner);
    EXPECT_TRUE(exited(run_pgeist(db().uri_as(owner), repack), 0));
    EXPECT_EQ(description_difference(before.description, state_of().description), std::vector<std::string>{});
}

// From PostgreSQL 19 on who gives rights need not be who they are given by.
TEST_F(carried_exactly, rights_given_in_the_name_of_others) {
    if (sql().server_major() < 19) {
        return;
    }
    const std::string giver = db().create_role("giver");
    const std::string reader = db().create_role("reader");
    expect_carried("GRANT SELECT, UPDATE (note) ON public.t TO " + giver +
                   " WITH GRANT OPTION; GRANT SELECT ON public.t TO " + reader + " WITH GRANT OPTION GRANTED BY " +
                   giver + "; GRANT UPDATE (note) ON public.t TO " + reader + " GRANTED BY " + giver +
                   "; GRANT SELECT ON public.t TO PUBLIC GRANTED BY " + reader);
    EXPECT_EQ(
        sql().scalar("SELECT string_agg(DISTINCT pg_get_userbyid(x.grantor), ',') FROM pg_class c CROSS JOIN LATERAL "
                     "aclexplode(c.relacl) x WHERE c.oid = 'public.t'::regclass AND x.grantee = 0"),
        reader);
}

TEST_F(carried_exactly, rights_that_were_given_and_taken_back) {
    const std::string reader = db().create_role("reader");
    expect_carried("GRANT SELECT ON public.t TO " + reader + "; REVOKE SELECT ON public.t FROM " + reader);
}

TEST_F(carried_exactly, default_privileges_give_the_new_table_nothing) {
    const std::string reader = db().create_role("reader");
    make_table(50);
    sql().execute("GRANT SELECT ON public.t TO PUBLIC; ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO " + reader +
                  "; ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO " + reader);
    repack_changes_nothing();
}

TEST_F(carried_exactly, unlogged_with_its_sequences) {
    sql().execute(
        "CREATE UNLOGGED TABLE public.t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n serial, note text); "
        "INSERT INTO public.t (note) SELECT 'x' FROM generate_series(1, 50)");
    repack_changes_nothing();
}

TEST_F(carried_exactly, toast_options_without_a_toast_table) {
    sql().execute(
        "CREATE TABLE public.t (id int PRIMARY KEY, gone text, code int) WITH (toast.autovacuum_enabled = off); "
        "INSERT INTO public.t SELECT i, 'x', i FROM generate_series(1, 50) i; ALTER TABLE public.t DROP COLUMN gone");
    EXPECT_TRUE(exited(run({"--repack"}), 0));
}

TEST_F(carried_exactly, an_operator_that_the_server_does_not_print) {
    make_table(50);
    sql().execute(
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; ALTER TABLE public.t ADD COLUMN mail ext.citext; SET "
        "search_path = public, ext; CREATE FUNCTION public.nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN "
        "NEW; END'; CREATE TRIGGER changed BEFORE UPDATE ON public.t FOR EACH ROW WHEN (OLD.mail IS DISTINCT FROM "
        "NEW.mail) EXECUTE FUNCTION public.nothing(); CREATE INDEX ON public.t (nullif(mail, 'x')); CREATE POLICY p ON "
        "public.t USING (CASE mail WHEN 'a' THEN true ELSE mail IS DISTINCT FROM note::ext.citext END); RESET "
        "search_path");
    repack_changes_nothing();
}

TEST_F(carried_exactly, an_operator_is_not_looked_up_among_planted_ones) {
    const std::string mallory = db().create_role("mallory");
    make_table(50);
    sql().execute(
        "CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; GRANT USAGE, CREATE ON SCHEMA ext TO " + mallory +
        "; ALTER TABLE public.t ADD COLUMN mail ext.citext; SET search_path = public, ext; ALTER TABLE public.t ADD "
        "CONSTRAINT named CHECK (mail IS DISTINCT FROM 'nobody'); RESET search_path");
    sync_connection attacker = db().connect_as(mallory);
    attacker.execute("CREATE FUNCTION ext.harmless(int) RETURNS int LANGUAGE sql AS 'SELECT $1'");
    EXPECT_TRUE(exited(command("plan", {"--table", "t", "--repack"}), 0));
    attacker.execute(
        "CREATE FUNCTION ext.array_append(int[], int) RETURNS int[] LANGUAGE sql AS 'SELECT $1 OPERATOR(pg_catalog.||) "
        "$2'");
    const run_result refused = command("plan", {"--table", "t", "--repack"});
    EXPECT_TRUE(exited(refused, 3));
    EXPECT_TRUE(says(refused, {mallory, "ext"}));
}

/// A server module that takes any security label, where the server can read it.
class label_provider {
public:
    explicit label_provider(int server_major) {
        const std::string name = "pgeist_label_provider_" + std::to_string(server_major) + ".so";
        std::string pattern = (std::filesystem::temp_directory_path() / "pgeist_module_XXXXXX").string();
        folder_ = mkdtemp(pattern.data());
        std::filesystem::permissions(folder_, std::filesystem::perms::others_exec | std::filesystem::perms::others_read,
                                     std::filesystem::perm_options::add);
        file_ = folder_ / name;
        std::filesystem::copy_file(std::filesystem::path(PGEIST_TEST_MODULES) / name, file_);
    }
    ~label_provider() {
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    label_provider(const label_provider&) = delete;
    label_provider& operator=(const label_provider&) = delete;

    [[nodiscard]] std::string file() const { return file_.string(); }

private:
    std::filesystem::path folder_;
    std::filesystem::path file_;
};

TEST_F(carried_exactly, security_labels_while_their_provider_is_there) {
    const label_provider module(sql().server_major());
    make_table(50);
    sql().execute("LOAD '" + module.file() + "'");
    sql().execute(
        R"(SECURITY LABEL FOR "pgeist ""test""" ON TABLE public.t IS 'it''s secret';
           SECURITY LABEL FOR "pgeist ""test""" ON COLUMN public.t.note IS 'MASKED WITH VALUE NULL')");
    const run_result result = run({"--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"pgeist \"test\"", "not loaded"}));
    expect_nothing_left();

    sql().execute("ALTER DATABASE " + sql().identifier(db().name()) + " SET session_preload_libraries = '" +
                  module.file() + "'");
    repack_changes_nothing();
    EXPECT_TRUE(exited(run({"--alter", "RENAME COLUMN note TO remark"}), 0));
    EXPECT_EQ(sql().scalar("SELECT a.attname || ': ' || l.label FROM pg_seclabel l JOIN pg_attribute a ON a.attrelid = "
                           "l.objoid AND a.attnum = l.objsubid WHERE l.objoid = 'public.t'::regclass"),
              "remark: MASKED WITH VALUE NULL");
}

TEST_F(carried_exactly, statistics_of_one_name_in_two_schemas_are_refused) {
    expect_refused(
        "CREATE SCHEMA other; CREATE STATISTICS public.twice ON note, code FROM public.t; CREATE STATISTICS "
        "other.twice ON code, amount FROM public.t",
        {"statistics", "twice"});
}

TEST_F(carried_exactly, a_disabled_check_of_a_deferrable_constraint_is_refused) {
    expect_refused(
        "ALTER TABLE public.t ADD CONSTRAINT later UNIQUE (code) DEFERRABLE; ALTER TABLE public.t DISABLE TRIGGER ALL",
        {"later"});
}

TEST_F(carried_exactly, a_member_of_an_extension_is_refused) {
    expect_refused("CREATE EXTENSION hstore; ALTER EXTENSION hstore ADD TABLE public.t", {"extension hstore"});
}

TEST_F(carried_exactly, statistics_that_the_role_may_not_move_are_refused) {
    const std::string owner = db().create_role("owner");
    make_table(50);
    sql().execute(
        "CREATE SCHEMA closed; CREATE STATISTICS closed.st ON note, code FROM public.t; ALTER TABLE public.t "
        "OWNER TO " +
        owner + "; GRANT CREATE ON DATABASE " + db().name() + " TO " + owner +
        "; GRANT USAGE, CREATE ON SCHEMA public TO " + owner);
    const table_state before = state_of();
    const run_result result = run_pgeist(db().uri_as(owner), {"run", "--table", "t", "--repack"});
    EXPECT_TRUE(exited(result, 3));
    EXPECT_TRUE(says(result, {"closed.st"}));
    expect_unchanged(before);
}

TEST_F(carried_exactly, user_triggers_fire_once_for_writes_during_the_run) {
    make_table(200);
    sql().execute(R"(CREATE TABLE public.audit (what text, id int);
        CREATE FUNCTION public.note_it() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN INSERT INTO public.audit VALUES (TG_NAME || TG_OP, coalesce(NEW.id, OLD.id)); RETURN NEW; END $$;
        CREATE FUNCTION public.mark_it() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN NEW.note := NEW.note || '!'; RETURN NEW; END $$;
        CREATE TRIGGER a_marks BEFORE INSERT OR UPDATE ON public.t FOR EACH ROW EXECUTE FUNCTION public.mark_it();
        CREATE TRIGGER b_notes AFTER INSERT OR UPDATE OR DELETE ON public.t FOR EACH ROW EXECUTE FUNCTION public.note_it();
        CREATE CONSTRAINT TRIGGER c_defers AFTER INSERT OR UPDATE ON public.t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
            EXECUTE FUNCTION public.note_it();
        ALTER TABLE public.t ADD CONSTRAINT code_once UNIQUE (code) DEFERRABLE INITIALLY DEFERRED)");
    pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    sql().execute(
        "BEGIN; UPDATE public.t SET code = 20 WHERE id = 1; UPDATE public.t SET code = 10 WHERE id = 2; COMMIT");
    sql().execute("INSERT INTO public.t VALUES (500, 'new', 1, 1); DELETE FROM public.t WHERE id = 3");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    sql().execute("UPDATE public.t SET code = code + 1 WHERE id = 4");
    EXPECT_EQ(note_of(1), "note 1!");
    EXPECT_EQ(note_of(4), "note 4!");
    EXPECT_EQ(note_of(500), "new!");
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.audit WHERE what LIKE 'b_notes%'"), 5);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.audit WHERE what LIKE 'c_defers%'"), 4);
    EXPECT_EQ(sql().number("SELECT count(*) FROM public.audit"), 9);
}

}  // namespace
}  // namespace pgeist::test
