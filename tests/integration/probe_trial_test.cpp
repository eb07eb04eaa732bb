// What a trial promises besides the right answer: it touches nothing, needs no rights, and says so where it cannot
// tell.

#include <chrono>

#include "probe_test.hpp"

namespace pgeist::test {
namespace {

class probe_trial : public probe_test {
protected:
    void SetUp() override {
        probe_test::SetUp();
        if (HasFatalFailure() || IsSkipped()) {
            return;
        }
        sql().execute(
            "CREATE SCHEMA app; CREATE TABLE app.p (id int PRIMARY KEY); "
            "CREATE TABLE app.t (id int PRIMARY KEY, p_id int REFERENCES app.p, n int CHECK (n > 0), x text); "
            "INSERT INTO app.p VALUES (1); INSERT INTO app.t SELECT i, 1, i, 'x' FROM generate_series(1, 20) AS i; "
            "CREATE INDEX t_x ON app.t (x) WHERE n > 3");
    }

    probe::trial_answer tried(const std::string& statement, probe::trial_options options = {}) {
        auto answer = try_out(statement, std::move(options));
        EXPECT_TRUE(answer.tried) << statement << ": " << answer.why_not;
        return answer;
    }

    std::string reason_for(const std::string& statement) {
        const auto answer = try_out(statement);
        EXPECT_FALSE(answer.tried) << statement;
        return answer.why_not;
    }

    std::vector<probe::trial_answer> follow(std::vector<std::string> statements) {
        return await(probe::try_statements(session(), std::move(statements)));
    }
};

/// A function that the trial itself calls looks for its own session's locks.
TEST_F(probe_trial, holds_no_lock_on_the_tables_while_a_statement_is_tried) {
    sql().execute(
        "CREATE FUNCTION app.look() RETURNS int STABLE LANGUAGE plpgsql AS $$ BEGIN "
        "IF EXISTS (SELECT FROM pg_locks l JOIN pg_class c ON c.oid = l.relation WHERE l.pid = pg_backend_pid() "
        "AND c.relnamespace = 'app'::regnamespace) THEN RAISE 'a lock is held'; END IF; "
        "IF current_setting('transaction_read_only') = 'on' THEN RAISE 'called elsewhere'; END IF; RETURN 1; END $$");
    const auto answer = tried("ALTER TABLE app.t ADD COLUMN c int DEFAULT app.look()");
    EXPECT_FALSE(answer.found.fails) << answer.found.fails->message;
    EXPECT_TRUE(answer.found.rewrites.empty());
}

TEST_F(probe_trial, is_not_kept_waiting_by_writers) {
    sync_connection writer = db().connect();
    writer.execute("BEGIN; UPDATE app.t SET n = n + 1; UPDATE app.p SET id = id");
    const auto answer = tried("ALTER TABLE app.t ALTER COLUMN x SET NOT NULL, DROP CONSTRAINT t_p_id_fkey");
    EXPECT_EQ(answer.found.on("app.t"), probe::lock_mode::access_exclusive);
    EXPECT_EQ(answer.found.on("app.p"), probe::lock_mode::access_exclusive);
    EXPECT_EQ(answer.found.scans, std::vector<std::string>{"app.t"});
}

TEST_F(probe_trial, gives_up_at_once_where_the_definition_cannot_be_read) {
    sync_connection holder = db().connect();
    holder.execute("BEGIN; LOCK TABLE app.t IN ACCESS EXCLUSIVE MODE");
    const auto begun = std::chrono::steady_clock::now();
    EXPECT_NE(reason_for("ALTER TABLE app.t ADD COLUMN c int").find("lock timeout"), std::string::npos);
    EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds(5));
}

TEST_F(probe_trial, needs_no_right_on_the_tables) {
    const std::string role = db().create_role("reader");
    sql().execute(
        "CREATE FUNCTION app.secret(int) RETURNS int IMMUTABLE LANGUAGE sql AS 'SELECT $1'; "
        "REVOKE ALL ON FUNCTION app.secret(int) FROM PUBLIC; "
        "CREATE FUNCTION app.hidden() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; "
        "REVOKE ALL ON FUNCTION app.hidden() FROM PUBLIC; "
        "CREATE TRIGGER g BEFORE UPDATE OF x ON app.t FOR EACH ROW EXECUTE FUNCTION app.hidden()");
    connect_as(role);
    EXPECT_EQ(tried("ALTER TABLE app.t ALTER COLUMN n TYPE bigint").found.rewrites, std::vector<std::string>{"app.t"});
    EXPECT_TRUE(tried("ALTER TABLE app.t ALTER COLUMN x TYPE varchar(5)").found.fails);
    EXPECT_EQ(tried("DROP TABLE app.t").found.on("app.p"), probe::lock_mode::access_exclusive);
}

TEST_F(probe_trial, says_that_a_role_may_not_make_stand_ins) {
    const std::string role = db().create_role("reader");
    sql().execute(
        "DO $$ BEGIN EXECUTE format('REVOKE TEMPORARY ON DATABASE %I FROM PUBLIC', current_database()); END $$");
    connect_as(role);
    EXPECT_EQ(reason_for("ALTER TABLE app.t ADD COLUMN c int"),
              "the role may not make temporary tables in this database");
}

constexpr const char* audit = R"(
    CREATE TABLE app.audit (what text);
    CREATE FUNCTION app.note() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO app.audit VALUES (tg_tag); END $$;
    CREATE EVENT TRIGGER note_)";

class probe_event_triggers : public probe_trial {
protected:
    void TearDown() override {
        if (!name_.empty()) {
            sql().execute("DROP EVENT TRIGGER " + name_);
        }
        probe_trial::TearDown();
    }

    void make_event_trigger() {
        name_ = "note_" + db().name();
        sql().execute(std::string(audit) + db().name() + " ON ddl_command_end EXECUTE FUNCTION app.note()");
        sql().execute("TRUNCATE app.audit");
    }

private:
    std::string name_;
};

TEST_F(probe_event_triggers, are_not_fired) {
    make_event_trigger();
    const auto answer = tried("ALTER TABLE app.t ADD COLUMN c int");
    EXPECT_EQ(answer.found.assumptions.size(), 1U);
    EXPECT_EQ(sql().number("SELECT count(*) FROM app.audit"), 0);
}

TEST_F(probe_event_triggers, forbid_the_trial_to_who_cannot_switch_them_off) {
    make_event_trigger();
    connect_as(db().create_role("reader"));
    EXPECT_NE(reason_for("ALTER TABLE app.t ADD COLUMN c int").find("event trigger"), std::string::npos);
    EXPECT_EQ(sql().number("SELECT count(*) FROM app.audit"), 0);
}

TEST_F(probe_trial, reads_names_as_the_role_does) {
    sql().execute("CREATE SCHEMA other; CREATE TABLE other.t (id int); CREATE TABLE public.t (id int)");
    const std::string role = db().create_role("owner");
    sql().execute("GRANT USAGE ON SCHEMA app, other TO " + role + "; ALTER ROLE " + role +
                  " SET search_path = other, app");
    connect_as(role);
    EXPECT_EQ(tried("ALTER TABLE t ADD COLUMN c int").found.on("other.t"), probe::lock_mode::access_exclusive);
    probe::trial_options set;
    set.settings.emplace_back("search_path", "app");
    EXPECT_EQ(tried("ALTER TABLE t ADD COLUMN c int", set).found.on("app.t"), probe::lock_mode::access_exclusive);
}

TEST_F(probe_trial, knows_two_tables_of_one_name) {
    sql().execute("CREATE SCHEMA other; CREATE TABLE other.t (id int PRIMARY KEY, t_id int REFERENCES app.t)");
    const auto answer = tried("ALTER TABLE other.t DROP CONSTRAINT t_t_id_fkey");
    EXPECT_EQ(answer.found.on("other.t"), probe::lock_mode::access_exclusive);
    EXPECT_EQ(answer.found.on("app.t"), probe::lock_mode::access_exclusive);
    EXPECT_NE(reason_for("ALTER TABLE other.t ADD FOREIGN KEY (id) REFERENCES app.t"), "");
}

TEST_F(probe_trial, does_not_take_an_invalid_index_for_one_that_is_kept) {
    sql().execute(
        "CREATE INDEX t_p ON app.t (p_id); UPDATE pg_index SET indisvalid = false WHERE indexrelid = "
        "'app.t_p'::regclass; CREATE INDEX t_p2 ON app.t (p_id, id); ANALYZE");
    real_run real(db().uri());
    const std::string statement = "ALTER TABLE app.t ALTER COLUMN p_id TYPE int";
    const deed truth = real.run("", statement);
    EXPECT_EQ(truth.builds, std::set<std::string>{"app.t_p"});
    EXPECT_EQ(deed_of(tried(statement).found), truth) << truth.text();
}

TEST_F(probe_trial, never_runs_more_than_one_statement_or_what_belongs_to_the_server) {
    EXPECT_NE(reason_for("ALTER TABLE app.t ADD COLUMN c int; COMMIT"), "");
    EXPECT_NE(reason_for("ALTER TABLE app.t ADD COLUMN c int; DROP TABLE app.p"), "");
    EXPECT_NE(reason_for("LOCK TABLE pg_class IN SHARE MODE"), "");
    EXPECT_NE(reason_for("LOCK TABLE pg_catalog.pg_class IN SHARE MODE"), "");
    EXPECT_NE(reason_for("ALTER TABLE app.U&\"t\" ADD COLUMN c int"), "");
    EXPECT_NE(reason_for("CLUSTER"), "");
    EXPECT_NE(reason_for("DROP SCHEMA app CASCADE"), "");
    EXPECT_NE(reason_for("VACUUM FULL app.t"), "");
    EXPECT_NE(reason_for("SELECT 1"), "");
    EXPECT_NE(reason_for(""), "");
    EXPECT_EQ(sql().number("SELECT count(*) FROM app.t"), 20);
    EXPECT_TRUE(session().idle());
}

TEST_F(probe_trial, tells_what_is_in_the_way) {
    sql().execute(
        "CREATE VIEW app.v AS SELECT id, upper(x) AS x FROM app.t; CREATE VIEW app.w AS SELECT id FROM app.v; "
        "CREATE MATERIALIZED VIEW app.m AS SELECT n FROM app.t");
    auto answer = tried("ALTER TABLE app.t DROP COLUMN x");
    ASSERT_TRUE(answer.found.fails);
    EXPECT_EQ(answer.found.fails->sqlstate, "2BP01");
    EXPECT_EQ(answer.found.fails->message.find("pg_temp"), std::string::npos);
    EXPECT_EQ(answer.found.fails->detail.find("pg_temp"), std::string::npos);
    ASSERT_EQ(answer.found.dependents.size(), 1U);
    EXPECT_EQ(answer.found.dependents[0].kind, "view");
    EXPECT_EQ(answer.found.dependents[0].name, "app.v");
    EXPECT_TRUE(answer.found.dependents[0].in_the_way);

    answer = tried("ALTER TABLE app.t DROP COLUMN x CASCADE");
    EXPECT_FALSE(answer.found.fails);
    ASSERT_EQ(answer.found.dependents.size(), 2U);
    EXPECT_FALSE(answer.found.dependents[0].in_the_way);
    EXPECT_EQ(answer.found.on("app.w"), probe::lock_mode::access_exclusive);

    answer = tried("ALTER TABLE app.t ALTER COLUMN n TYPE bigint");
    ASSERT_EQ(answer.found.dependents.size(), 1U);
    EXPECT_EQ(answer.found.dependents[0].kind, "materialized view");

    answer = tried("DROP TABLE app.p");
    ASSERT_EQ(answer.found.dependents.size(), 1U);
    EXPECT_EQ(answer.found.dependents[0].kind, "foreign key");
    EXPECT_EQ(answer.found.dependents[0].name, "t_p_id_fkey on app.t");
}

TEST_F(probe_trial, follows_statements_that_build_on_each_other) {
    const auto answers =
        follow({"CREATE TABLE app.new (id int PRIMARY KEY, t_id int)",
                "ALTER TABLE app.new ADD FOREIGN KEY (t_id) REFERENCES app.t", "ALTER TABLE app.t ADD COLUMN c int",
                "ALTER TABLE app.t ALTER COLUMN c SET NOT NULL", "CREATE INDEX t_c ON app.t (c)",
                "ALTER TABLE app.t DROP COLUMN nosuch", "DROP INDEX app.t_c", "ALTER TABLE app.t RENAME TO t9",
                "ALTER TABLE app.t9 DROP COLUMN c"});
    for (std::size_t place = 0; place < answers.size(); ++place) {
        EXPECT_TRUE(answers[place].tried) << place << ": " << answers[place].why_not;
        EXPECT_EQ(answers[place].found.fails.has_value(), place == 5) << place;
    }
    EXPECT_EQ(answers[1].found.on("app.t"), probe::lock_mode::share_row_exclusive);
    EXPECT_EQ(answers[2].found.on("app.t"), probe::lock_mode::access_exclusive);
    EXPECT_EQ(answers[3].found.scans, std::vector<std::string>{"app.t"});
    EXPECT_EQ(answers[3].locked_before, std::vector<std::string>({"app.new", "app.t"}));
    EXPECT_EQ(answers[4].found.builds, std::vector<std::string>{"app.t_c"});
    EXPECT_EQ(answers[5].found.fails->sqlstate, "42703");
    EXPECT_EQ(sql().scalar("SELECT to_regclass('app.new') IS NULL"), "t");
}

TEST_F(probe_trial, does_not_blame_a_statement_for_what_was_not_tried) {
    const auto answers = follow({"CREATE FUNCTION app.f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
                                 "ALTER TABLE app.t ADD COLUMN c int DEFAULT app.f()"});
    EXPECT_FALSE(answers[0].tried);
    EXPECT_FALSE(answers[1].tried);
    EXPECT_NE(answers[1].why_not.find("earlier"), std::string::npos);
}

TEST_F(probe_trial, says_what_it_does_not_know_of_publications) {
    if (session().server_major() < 15) {
        return;  // publications name no columns
    }
    sql().execute("CREATE PUBLICATION pub FOR TABLE app.t (id, n)");
    const auto answer = tried("ALTER TABLE app.t DROP COLUMN n");
    ASSERT_EQ(answer.found.assumptions.size(), 1U);
    EXPECT_NE(answer.found.assumptions[0].find("pub"), std::string::npos);
}

TEST_F(probe_trial, leaves_the_session_as_it_was) {
    const std::string state =
        "SELECT current_setting('search_path') || current_setting('client_min_messages') || "
        "current_setting('lock_timeout') || (SELECT count(*) FROM pg_class WHERE relpersistence = 't')";
    const std::string before = await(session().query(state)).text(0, 0);
    tried("ALTER TABLE app.t ALTER COLUMN n TYPE bigint");
    EXPECT_EQ(await(session().query(state)).text(0, 0), before);
    EXPECT_TRUE(session().idle());
}

}  // namespace
}  // namespace pgeist::test
