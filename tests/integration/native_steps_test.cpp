// Changes done step by step where the table is, with what others do between two actions, compared with what the plain
// statement makes of a twin.

#include <algorithm>
#include <exception>
#include <functional>
#include <utility>

#include "job_test.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/job/state_schema.hpp"
#include "pgeist/steps/choose.hpp"
#include "pgeist/tasks/native/engine.hpp"
#include "pgeist/tasks/native/kind.hpp"
#include "pgeist/tasks/native/preparation.hpp"

namespace pgeist::test {
namespace {

using strings = std::vector<std::string>;
using settings = std::vector<std::pair<std::string, std::string>>;

/// Calls back before each step, and before each action of one.
class between_actions : public task::controls {
public:
    std::function<void(int)> before;

    [[nodiscard]] awaitable<void> before_chunk(std::int64_t, std::chrono::nanoseconds) override {
        ++calls_;
        if (before) {
            before(calls_);
        }
        co_return;
    }
    [[nodiscard]] awaitable<void> before_batch(std::int64_t, std::chrono::nanoseconds) override { co_return; }
    [[nodiscard]] std::optional<std::string> postponed() const override { return std::nullopt; }
    void waits_for_permission(bool) override {}
    void waits_for(std::optional<std::string>) override {}
    void effect_is(task::effect) override {}
    [[nodiscard]] task::effect effect_state() const override { return task::effect::to_come; }
    [[nodiscard]] bool comparison_asked() const override { return false; }
    [[nodiscard]] std::optional<std::int64_t> take_comparison() override { return std::nullopt; }

private:
    int calls_ = 0;
};

class native_steps : public database_test {
protected:
    void SetUp() override {
        database_test::SetUp();
        if (!IsSkipped()) {
            settings_.max_block = std::chrono::milliseconds(0);  // no step works while others wait
            settings_.lock_timeout = std::chrono::milliseconds(100);
        }
    }

    using body = std::function<awaitable<void>(pg::pool&)>;
    void run_with(const body& what, const std::string& options = "") {
        asio::io_context io{1};
        pg::connect_options to;
        to.set("dbname", db().uri());
        if (!options.empty()) {
            to.set("options", options);
        }
        pg::pool pool(to, "pgeist job 1");
        std::exception_ptr failure;
        asio::co_spawn(io, what(pool), [&](std::exception_ptr problem) { failure = problem; });
        io.run();
        if (failure) {
            std::rethrow_exception(failure);
        }
    }

    awaitable<void> choose(pg::pool& pool, steps::question asked) {
        const auto session = co_await pool.acquire();
        chosen_ = co_await steps::choose(*session, asked);
    }
    /// The steps of these statements.
    void choose(const strings& statements, const settings& session = {}, const std::string& options = "") {
        steps::question asked;
        for (const std::string& each : statements) {
            asked.statements.push_back({each, 0, session});
        }
        asked.max_block = settings_.max_block;
        run_with([&](pg::pool& pool) { return choose(pool, asked); }, options);
        for (const auto& each : chosen_.refusals) {
            ADD_FAILURE() << each.message;
        }
    }

    awaitable<void> record(pg::pool& pool) {
        const auto session = co_await pool.acquire();
        co_await session->begin();
        static_cast<void>(co_await job::ensure_state_schema(*session));
        native::beginning what;
        what.kind = native::kind_name;
        what.change = "{}";
        what.chosen = settings_;
        what.phase = "steps";
        what.steps = chosen_.steps;
        mine_ = co_await native::record_job(*session, std::move(what));
        co_await session->commit();
    }
    awaitable<void> carry_out(pg::pool& pool) {
        report::progress progress;
        const job::identity known;
        const auto enter = [](const task::phase&) {};
        task::context with{pool, settings_, observer_, progress, road_, enter, 0, known, mine_};
        native::engine engine(with);
        co_await engine.run();
    }
    void go_on(const std::string& options = "") {
        run_with([this](pg::pool& pool) { return carry_out(pool); }, options);
    }
    void run(const strings& statements, const settings& session = {}, const std::string& options = "") {
        choose(statements, session, options);
        run_with([this](pg::pool& pool) { return record(pool); });
        go_on(options);
    }
    /// What it fails with.
    std::string failure_of(const std::function<void()>& what, exit_code code) {
        try {
            what();
        } catch (const error& problem) {
            EXPECT_EQ(problem.code(), code) << problem.what();
            return problem.what();
        }
        ADD_FAILURE() << "it did not fail";
        return "";
    }

    /// Constraints and indexes of a schema's tables.
    std::string described(const std::string& schema) {
        return sql().scalar(
            "SELECT string_agg(line, E'\\n' ORDER BY line COLLATE \"C\") FROM ("
            "SELECT format('%s: constraint %s %s %s %s %s %s', c.relname, k.conname, pg_get_constraintdef(k.oid), "
            "k.convalidated, k.conislocal, k.coninhcount, k.condeferred) AS line FROM pg_constraint k JOIN pg_class c "
            "ON "
            "c.oid = k.conrelid WHERE c.relnamespace = $1::regnamespace AND k.contype <> 'n' "
            "UNION ALL SELECT format('%s: index %s %s %s', c.relname, x.relname, replace(pg_get_indexdef(x.oid), $1 || "
            "'.', ''), i.indisvalid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = "
            "i.indexrelid WHERE c.relnamespace = $1::regnamespace "
            "UNION ALL SELECT format('%s: column %s %s %s', c.relname, a.attname, format_type(a.atttypid, "
            "a.atttypmod), "
            "a.attnotnull) FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid WHERE c.relnamespace = "
            "$1::regnamespace AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p')) AS all_lines",
            {schema});
    }
    /// Makes the tables in two schemas, runs the statements step by step in one, as they are in the other.
    void expect_as_plain(const std::string& tables, const strings& statements) {
        for (const std::string schema : {"app", "twin"}) {
            sql().execute("CREATE SCHEMA " + schema + "; SET search_path TO " + schema + "; " + tables +
                          "; RESET search_path");
        }
        run(statements, {}, "-c search_path=app");
        for (const std::string& each : statements) {
            sql().execute("SET search_path TO twin; " + each + "; RESET search_path");
        }
        std::string twin = described("twin");
        for (std::size_t at = twin.find(" twin."); at != std::string::npos; at = twin.find(" twin.", at)) {
            twin.replace(at, 6, " app.");
        }
        EXPECT_EQ(described("app"), twin);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.steps WHERE state NOT IN ('done', 'skipped')"), 0);
    }

    run::settings settings_;
    steps::choice chosen_;
    recording_observer observer_;
    between_actions road_;
    job::tenure mine_;
};

constexpr const char* two_tables =
    "CREATE SCHEMA app; CREATE TABLE app.t (a int); INSERT INTO app.t VALUES (-1); "
    "CREATE TABLE public.t (a int, CONSTRAINT ok CHECK (a > -10)); INSERT INTO public.t VALUES (1)";

TEST_F(native_steps, that_fail_take_back_what_they_made_and_nothing_of_the_same_name) {
    sql().execute(two_tables);
    const std::string told = failure_of(
        [&] {
            run({"SET search_path TO app", "ALTER TABLE t ADD CONSTRAINT ok CHECK (a > 0)"}, {{"search_path", "app"}});
        },
        exit_code::failed);
    EXPECT_NE(told.find("violated by some row"), std::string::npos) << told;
    EXPECT_EQ(sql().scalar("SELECT string_agg(conrelid::regclass::text, ' ') FROM pg_constraint WHERE conname = 'ok'"),
              "t");
    EXPECT_EQ(sql().number("SELECT actions_done FROM pgeist.steps WHERE number = 2"), 0);
}

/// A statement whose last action fails, by what its rows are, when earlier ones have made something.
struct failing_statement {
    const char* makes;
    const char* tables;
    const char* statement;
};

class failing_steps : public native_steps, public ::testing::WithParamInterface<failing_statement> {};

TEST_P(failing_steps, leave_nothing_of_what_they_have_made) {
    sql().execute(std::string("CREATE SCHEMA app; SET search_path TO app; ") + GetParam().tables +
                  "; RESET search_path");
    const std::string before = described("app");
    const std::string no_proofs = "SELECT count(*) FROM pg_constraint WHERE connamespace = 'app'::regnamespace";
    const long long constraints = sql().number(no_proofs);
    choose({GetParam().statement}, {}, "-c search_path=app");
    EXPECT_GT(chosen_.steps.at(0).actions.size(), 1U) << "nothing is made before it fails";
    run_with([this](pg::pool& pool) { return record(pool); });
    for (int attempt = 1; attempt <= 2; ++attempt) {  // whoever resumes fails in the same way
        failure_of([&] { go_on("-c search_path=app"); }, exit_code::failed);
        EXPECT_EQ(described("app"), before);
        EXPECT_EQ(sql().number(no_proofs), constraints);
        EXPECT_EQ(sql().number("SELECT actions_done FROM pgeist.steps"), 0);
    }
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE relname LIKE '%pgeist%' AND relnamespace = "
                           "'app'::regnamespace"),
              0);
}

INSTANTIATE_TEST_SUITE_P(
    each, failing_steps,
    ::testing::Values(
        failing_statement{"check", "CREATE TABLE t (a int); INSERT INTO t VALUES (-1)",
                          "ALTER TABLE t ADD CONSTRAINT ok CHECK (a > 0)"},
        failing_statement{"foreign_key",
                          "CREATE TABLE o (a int PRIMARY KEY); CREATE TABLE t (a int); INSERT INTO t VALUES (1)",
                          "ALTER TABLE t ADD FOREIGN KEY (a) REFERENCES o"},
        failing_statement{"not_null", "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, NULL)",
                          "ALTER TABLE t ALTER COLUMN b SET NOT NULL"},
        failing_statement{"unique", "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (1)",
                          "ALTER TABLE t ADD CONSTRAINT once UNIQUE (a)"},
        failing_statement{"primary_key", "CREATE TABLE t (a int, b int); INSERT INTO t VALUES (1, NULL)",
                          "ALTER TABLE t ADD PRIMARY KEY (a, b)"},
        failing_statement{"column_and_index", "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)",
                          "ALTER TABLE t ADD COLUMN e int DEFAULT 7 UNIQUE"},
        failing_statement{"column_and_check", "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)",
                          "ALTER TABLE t ADD COLUMN e int DEFAULT 0 CHECK (e > 0)"},
        failing_statement{"column_and_check_of_another", "CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)",
                          "ALTER TABLE t ADD COLUMN e int DEFAULT 0 CHECK (a > 1)"},
        failing_statement{
            "proof_of_a_partition",
            "CREATE TABLE t (a int) PARTITION BY RANGE (a); CREATE TABLE l (a int); INSERT INTO l VALUES (50)",
            "ALTER TABLE t ATTACH PARTITION l FOR VALUES FROM (0) TO (10)"},
        failing_statement{"unique_on_leaves",
                          "CREATE TABLE t (a int, b int) PARTITION BY RANGE (a); CREATE TABLE t1 PARTITION OF t FOR "
                          "VALUES FROM (0) TO (10); CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20); "
                          "INSERT INTO t VALUES (1, 1), (11, 1), (11, 1)",
                          "ALTER TABLE t ADD UNIQUE (a, b)"},
        failing_statement{"not_null_on_leaves",
                          "CREATE TABLE t (a int, b int) PARTITION BY RANGE (a); CREATE TABLE t1 PARTITION OF t FOR "
                          "VALUES FROM (0) TO (10); CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (20); "
                          "INSERT INTO t VALUES (1, 1), (11, NULL)",
                          "ALTER TABLE t ALTER COLUMN b SET NOT NULL"},
        failing_statement{
            "foreign_key_on_leaves",
            "CREATE TABLE o (b int PRIMARY KEY); CREATE TABLE t (a int, b int) PARTITION BY RANGE (a); "
            "CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE t2 PARTITION OF t "
            "FOR VALUES FROM (10) TO (20); INSERT INTO o VALUES (1); INSERT INTO t VALUES (1, 1), (11, 2)",
            "ALTER TABLE t ADD FOREIGN KEY (b) REFERENCES o"},
        failing_statement{"unique_in_the_place_of_another",
                          "CREATE TABLE t (a int, b int, CONSTRAINT once UNIQUE (a)); INSERT INTO t VALUES (1, 1), (2, "
                          "1)",
                          "ALTER TABLE t DROP CONSTRAINT once, ADD CONSTRAINT once UNIQUE (b)"},
        failing_statement{"primary_key_in_the_place_of_another",
                          "CREATE TABLE t (a int PRIMARY KEY, b int); INSERT INTO t VALUES (1, 1), (2, NULL)",
                          "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (b)"},
        failing_statement{
            "foreign_key_in_the_place_of_another_on_leaves",
            "CREATE TABLE o (b int PRIMARY KEY); CREATE TABLE u (b int PRIMARY KEY); INSERT INTO o VALUES (1), (2); "
            "INSERT INTO u VALUES (1); CREATE TABLE t (a int, b int CONSTRAINT of_o REFERENCES o) PARTITION BY RANGE "
            "(a); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE t2 PARTITION OF t FOR "
            "VALUES FROM (10) TO (20); INSERT INTO t VALUES (1, 1), (11, 2)",
            "ALTER TABLE t DROP CONSTRAINT of_o, ADD CONSTRAINT of_o FOREIGN KEY (b) REFERENCES u"}),
    [](const auto& one) { return std::string(one.param.makes); });

TEST_F(native_steps, that_fail_leave_what_somebody_has_put_in_the_place_of_theirs) {
    sql().execute("CREATE TABLE t (a int)");
    road_.before = [this](int call) {
        if (call == 3) {  // the step, its first action, its second
            sql().execute("ALTER TABLE t DROP CONSTRAINT ok, ADD CONSTRAINT ok CHECK (a > 7)");
        }
    };
    const std::string told =
        failure_of([&] { run({"ALTER TABLE t ADD CONSTRAINT ok CHECK (a > 0)"}); }, exit_code::failed);
    EXPECT_NE(told.find("dropped by somebody"), std::string::npos) << told;
    EXPECT_EQ(sql().scalar("SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = 'ok'"),
              "CHECK ((a > 7))");
}

TEST_F(native_steps, go_on_with_the_table_they_were_planned_for_under_another_search_path) {
    sql().execute(two_tables);
    sql().execute("UPDATE app.t SET a = 1");
    road_.before = [](int call) {
        if (call == 3) {
            throw error(exit_code::connection_lost, "the process ends here");
        }
    };
    const strings change{"ALTER TABLE t ADD CONSTRAINT fine CHECK (a > 0)"};
    static_cast<void>(failure_of([&] { run(change, {}, "-c search_path=app"); }, exit_code::connection_lost));
    road_.before = nullptr;
    go_on("-c search_path=public");
    EXPECT_EQ(sql().scalar("SELECT conrelid::regclass::text || convalidated FROM pg_constraint WHERE conname = 'fine'"),
              "app.ttrue");
}

TEST_F(native_steps, stop_where_the_name_leads_to_another_table_by_now) {
    sql().execute(two_tables);
    const strings change{"ALTER TABLE t ADD COLUMN b int"};
    road_.before = [this](int call) {
        if (call == 2) {
            sql().execute("CREATE SCHEMA first; CREATE TABLE first.t (a int)");
        }
    };
    const std::string told = failure_of([&] { run(change, {{"search_path", "first, public"}}); }, exit_code::failed);
    EXPECT_NE(told.find("planned for public.t"), std::string::npos) << told;
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_attribute WHERE attname = 'b' AND attrelid IN "
                           "('first.t'::regclass, 'public.t'::regclass)"),
              0);
}

TEST_F(native_steps, of_a_changed_type_make_checks_anew_as_they_read_then) {
    sql().execute("CREATE TABLE t (a varchar(20), CONSTRAINT ok CHECK (length(a) < 10)); INSERT INTO t VALUES ('x')");
    road_.before = [this](int call) {
        if (call == 2) {
            sql().execute(
                "ALTER TABLE t DROP CONSTRAINT ok, ADD CONSTRAINT ok CHECK (length(a) < 15), ADD CONSTRAINT more CHECK "
                "(a <> ''); COMMENT ON CONSTRAINT ok ON t IS 'why'");
        }
    };
    run({"ALTER TABLE t ALTER COLUMN a TYPE text"});
    EXPECT_EQ(chosen_.steps.at(0).how, steps::method::validate);
    EXPECT_EQ(
        sql().scalar("SELECT string_agg(conname || ' ' || pg_get_constraintdef(oid) || convalidated, ', ' ORDER BY "
                     "conname) FROM pg_constraint WHERE conrelid = 't'::regclass AND contype = 'c'"),
        "more CHECK ((a <> ''::text))true, ok CHECK ((length(a) < 15))true");
    EXPECT_EQ(sql().scalar("SELECT obj_description(oid, 'pg_constraint') FROM pg_constraint WHERE conname = 'ok'"),
              "why");
}

TEST_F(native_steps, that_replace_constraints_leave_what_the_plain_statement_does) {
    expect_as_plain(
        "CREATE TABLE o (b int PRIMARY KEY); CREATE TABLE u (b int PRIMARY KEY); INSERT INTO o VALUES (1), (2); INSERT "
        "INTO u VALUES (1), (2); "
        "CREATE TABLE t (a int PRIMARY KEY, b int, c int, CONSTRAINT \"Once\" UNIQUE (b)); INSERT INTO t VALUES (1, 1, "
        "5), (2, 2, 6); "
        "CREATE TABLE p (a int, b int CONSTRAINT of_o REFERENCES o) PARTITION BY RANGE (a); "
        "CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); "
        "CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20) PARTITION BY LIST (b); "
        "CREATE TABLE p21 PARTITION OF p2 FOR VALUES IN (1, 2); INSERT INTO p VALUES (1, 1), (11, 2)",
        {"ALTER TABLE t ADD COLUMN e int DEFAULT 3 CHECK (a > 0), ADD COLUMN f int DEFAULT 4 CHECK (f > a)",
         "ALTER TABLE t DROP CONSTRAINT \"Once\", ADD CONSTRAINT \"Once\" UNIQUE (b, a) INCLUDE (c) DEFERRABLE "
         "INITIALLY DEFERRED",
         "ALTER TABLE t DROP CONSTRAINT t_pkey, ADD PRIMARY KEY (c)",
         "ALTER TABLE t ADD COLUMN d int, ADD CONSTRAINT t_pkey PRIMARY KEY (b), DROP CONSTRAINT t_pkey",
         "ALTER TABLE p DROP CONSTRAINT of_o, ADD CONSTRAINT of_o FOREIGN KEY (b) REFERENCES u ON DELETE CASCADE"});
}

TEST_F(native_steps, of_a_changed_type_with_heirs_leave_what_the_plain_statement_does) {
    expect_as_plain(
        "CREATE TABLE t (a varchar(20), CONSTRAINT ok CHECK (length(a) < 10)); INSERT INTO t VALUES ('x'); "
        "CREATE TABLE u (CONSTRAINT own CHECK (a <> 'no')) INHERITS (t); INSERT INTO u VALUES ('y'); "
        "CREATE TABLE v (a varchar(20), CONSTRAINT ok CHECK (length(a) < 10)) INHERITS (t); "
        "CREATE TABLE w () INHERITS (v); INSERT INTO w VALUES ('z'); "
        "CREATE TABLE p (a varchar(20), b int, CONSTRAINT ok_p CHECK (length(a) < 10)) PARTITION BY LIST (b); "
        "CREATE TABLE p1 PARTITION OF p (CONSTRAINT own_p CHECK (a <> 'no')) FOR VALUES IN (1); "
        "INSERT INTO p VALUES ('x', 1)",
        {"ALTER TABLE t ALTER COLUMN a TYPE text", "ALTER TABLE p ALTER COLUMN a TYPE text"});
    EXPECT_EQ(chosen_.steps.at(0).how, steps::method::validate);
    EXPECT_EQ(chosen_.steps.at(1).how, steps::method::validate);
}

TEST_F(native_steps, of_a_changed_type_that_fail_go_on_with_its_checks) {
    sql().execute("CREATE TABLE t (a varchar(20), CONSTRAINT ok CHECK (length(a) < 10)); INSERT INTO t VALUES ('x')");
    road_.before = [](int call) {
        if (call == 3) {
            throw error(exit_code::failed, "something failed");
        }
    };
    static_cast<void>(failure_of([&] { run({"ALTER TABLE t ALTER COLUMN a TYPE text"}); }, exit_code::failed));
    EXPECT_EQ(sql().number("SELECT actions_done FROM pgeist.steps"), 1) << "the type is changed";
    road_.before = nullptr;
    go_on();
    EXPECT_EQ(sql().scalar("SELECT convalidated::text FROM pg_constraint WHERE conname = 'ok'"), "true");
}

TEST_F(native_steps, give_indexes_the_names_that_the_plain_statement_gives_them) {
    strings statements{
        "CREATE INDEX ON t (lower(b))",
        "CREATE INDEX ON t (lower(b))",
        "CREATE INDEX ON t ((a + 1), (a + 2))",
        "CREATE INDEX ON t (a) INCLUDE (b)",
        "ALTER TABLE t ADD UNIQUE (a) INCLUDE (b)",
        "ALTER TABLE t ADD UNIQUE (a)",
        "ALTER TABLE t ADD UNIQUE (a)",
        "ALTER TABLE t ADD COLUMN n int UNIQUE DEFERRABLE INITIALLY DEFERRED",
        "ALTER TABLE t ADD COLUMN m int DEFAULT 3 CONSTRAINT only_m UNIQUE",
        "ALTER TABLE t ADD PRIMARY KEY (a_column_with_a_name_that_is_very_long_indeed_and_ends_in_1, "
        "a_column_with_a_name_that_is_very_long_indeed_and_ends_in_2)",
        "CREATE INDEX ON t (a_column_with_a_name_that_is_very_long_indeed_and_ends_in_1)",
    };
    expect_as_plain(
        "CREATE TABLE t (a int, b text, a_column_with_a_name_that_is_very_long_indeed_and_ends_in_1 int, "
        "a_column_with_a_name_that_is_very_long_indeed_and_ends_in_2 int); INSERT INTO t VALUES (1, 'x', 1, 1); "
        "CREATE SEQUENCE t_a_key",
        statements);
    for (const steps::step& each : chosen_.steps) {
        EXPECT_EQ(each.how, steps::method::concurrently) << each.statement;
    }
}

TEST_F(native_steps, of_a_partitioned_key_take_what_the_plain_statement_takes) {
    expect_as_plain(
        "CREATE TABLE t (a int NOT NULL, b int) PARTITION BY LIST (a); "
        "CREATE TABLE t1 PARTITION OF t FOR VALUES IN (1); CREATE TABLE t2 PARTITION OF t FOR VALUES IN (2); "
        "CREATE TABLE t3 PARTITION OF t DEFAULT; INSERT INTO t SELECT i, i FROM generate_series(1, 5) AS i; "
        "CREATE UNIQUE INDEX mine ON t1 (a, b); ALTER TABLE t2 ADD CONSTRAINT two UNIQUE (a, b); "
        "CREATE TABLE u (a int NOT NULL, b int) PARTITION BY LIST (a); "
        "CREATE TABLE u1 PARTITION OF u FOR VALUES IN (1); CREATE UNIQUE INDEX mine_too ON u1 (a); "
        "INSERT INTO u VALUES (1, 1)",
        {"ALTER TABLE t ADD CONSTRAINT later UNIQUE (a, b) DEFERRABLE INITIALLY DEFERRED",
         "ALTER TABLE u ADD PRIMARY KEY (a)"});
    for (const steps::step& each : chosen_.steps) {
        EXPECT_EQ(each.how, steps::method::concurrently) << each.statement;
    }
}

TEST_F(native_steps, of_a_table_that_is_attached_build_its_indexes_before) {
    expect_as_plain(
        "CREATE TABLE t (a int NOT NULL, b text, PRIMARY KEY (a), UNIQUE (a, b) DEFERRABLE) PARTITION BY RANGE (a); "
        "CREATE INDEX ON t (lower(b)); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10); "
        "CREATE TABLE other (a int NOT NULL, b text); INSERT INTO other SELECT i, 'x' FROM generate_series(10, 19) AS "
        "i; "
        "CREATE INDEX there ON other (lower(b)); "
        "CREATE TABLE rest (a int NOT NULL, b text); INSERT INTO rest SELECT i, 'x' FROM generate_series(20, 29) AS i",
        {"ALTER TABLE t ATTACH PARTITION other FOR VALUES FROM (10) TO (20)",
         "ALTER TABLE t ATTACH PARTITION rest DEFAULT"});
    for (const steps::step& each : chosen_.steps) {
        EXPECT_EQ(each.how, steps::method::validate) << each.statement;
    }
}

/// What stands in the way of the plain statement, and not of a copy.
struct reading_column {
    const char* name;
    const char* sql;
};

class read_column : public native_steps, public ::testing::WithParamInterface<reading_column> {};

TEST_P(read_column, gets_another_type_by_a_copy) {
    sql().execute(
        std::string("CREATE TABLE t (id int PRIMARY KEY, a int); "
                    "CREATE FUNCTION noticed() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; ") +
        GetParam().sql);
    steps::question asked;
    asked.statements.push_back({"ALTER TABLE t ALTER COLUMN a TYPE bigint, ADD COLUMN b int", 0, {}});
    run_with([&](pg::pool& pool) { return choose(pool, asked); });
    ASSERT_EQ(chosen_.refusals.size(), 0U) << chosen_.refusals.front().message;
    ASSERT_EQ(chosen_.steps.size(), 1U);
    EXPECT_EQ(chosen_.steps.front().how, steps::method::copy);
    asked.method = run::method_choice::native;
    run_with([&](pg::pool& pool) { return choose(pool, asked); });
    ASSERT_EQ(chosen_.refusals.size(), 1U);
    EXPECT_NE(chosen_.refusals.front().message.find("can only be done by a copy"), std::string::npos);
}

// GoogleTest finds it by this name.
void PrintTo(const reading_column& one, std::ostream* out) {
    *out << one.name;
}  // NOLINT(readability-identifier-naming)

INSTANTIATE_TEST_SUITE_P(
    by, read_column,
    ::testing::Values(
        reading_column{"view", "CREATE VIEW v AS SELECT a FROM t"},
        reading_column{"materialized_view", "CREATE MATERIALIZED VIEW v AS SELECT a FROM t"},
        reading_column{"rule", "CREATE RULE r AS ON UPDATE TO t WHERE new.a > 0 DO ALSO SELECT 1"},
        reading_column{"policy", "CREATE POLICY p ON t USING (a > 0)"},
        reading_column{"trigger_of_it",
                       "CREATE TRIGGER g BEFORE UPDATE OF a ON t FOR EACH ROW EXECUTE FUNCTION noticed()"},
        reading_column{"condition",
                       "CREATE TRIGGER g BEFORE UPDATE ON t FOR EACH ROW WHEN (new.a > 0) EXECUTE FUNCTION noticed()"},
        reading_column{"generated_column", "ALTER TABLE t ADD COLUMN g int GENERATED ALWAYS AS (a * 2) STORED"},
        reading_column{"function", "CREATE FUNCTION f() RETURNS bigint BEGIN ATOMIC SELECT sum(a) FROM t; END"}),
    [](const ::testing::TestParamInfo<reading_column>& one) { return one.param.name; });

TEST_F(native_steps, of_only_a_partitioned_table_are_no_backfill) {
    sql().execute(
        "CREATE TABLE t (a int PRIMARY KEY, b int) PARTITION BY LIST (a); CREATE TABLE t1 PARTITION OF t DEFAULT; "
        "INSERT "
        "INTO t SELECT i, i FROM generate_series(1, 20000) AS i; ANALYZE t");
    run({"UPDATE ONLY t SET b = 0", "DELETE FROM ONLY t WHERE a > 0"});
    EXPECT_EQ(chosen_.steps.at(0).how, steps::method::native);
    EXPECT_EQ(chosen_.steps.at(1).how, steps::method::native);
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE b > 0"), 20000);
    choose({"UPDATE t SET b = 0"});
    EXPECT_EQ(chosen_.steps.at(0).how, steps::method::backfill);
}

TEST_F(native_steps, that_set_anything_by_a_function_set_it_for_themselves) {
    sql().execute("CREATE TABLE t (who text, how text)");
    const std::string role = db().create_role("other");
    run({"SELECT set_config('role', '" + role + "', false)", "SELECT set_config('work_mem', '77MB', false)",
         "INSERT INTO t SELECT current_user, current_setting('work_mem')"});
    EXPECT_EQ(sql().number("SELECT count(*) FROM t WHERE who = current_user AND how <> '77MB'"), 1);
}

TEST_F(native_steps, of_code_wait_for_the_locks_that_it_asks_for_no_longer_than_others_may) {
    sql().execute("CREATE TABLE t (a int)");
    settings_.swap_attempts = 2;
    sync_connection reader = db().connect();
    reader.execute("BEGIN; SELECT FROM t");
    const strings code{"DO $$BEGIN EXECUTE 'ALTER TABLE t ADD COLUMN b int'; END$$"};
    static_cast<void>(failure_of([&] { run(code); }, exit_code::lock_not_obtained));
    reader.execute("COMMIT");
    go_on();
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_attribute WHERE attrelid = 't'::regclass AND attname = 'b'"), 1);
}

TEST_F(native_steps, that_drop_an_index_drop_none_that_has_taken_its_name) {
    sql().execute("CREATE TABLE t (a int, b int); CREATE INDEX i ON t (a)");
    choose({"DROP INDEX CONCURRENTLY i"});
    run_with([this](pg::pool& pool) { return record(pool); });
    const std::string oid = sql().scalar("SELECT 'i'::regclass::oid");
    // As a process leaves it that ends behind the server's last transaction.
    sql().execute(
        "UPDATE pgeist.jobs SET builds = jsonb_build_object('drop \"public\".\"i\"', jsonb_build_object('what', "
        "'drop', "
        "'table', 't'::regclass::oid::bigint, 'schema', 'public', 'name', 'i', 'oid', " +
        oid + ", 'made', 0, 'for_constraint', false, 'there', '[]'::jsonb)); DROP INDEX i; CREATE INDEX i ON t (b)");
    go_on();
    EXPECT_EQ(sql().number("SELECT count(*) FROM pg_class WHERE relname = 'i'"), 1);
    EXPECT_EQ(sql().scalar("SELECT state FROM pgeist.steps"), "done");
}

TEST_F(native_steps, are_estimated_by_what_earlier_ones_of_their_kind_took) {
    sql().execute("CREATE TABLE t AS SELECT i AS a, i AS b, i AS c FROM generate_series(1, 60000) i; ANALYZE t");
    choose({"CREATE INDEX t_a ON t (a)"});
    const std::int64_t usual = chosen_.steps.at(0).estimated_ms.value();
    ASSERT_GT(usual, 50);
    run({"CREATE INDEX t_a ON t (a)"});
    sql().execute("UPDATE pgeist.steps SET work_ms = 3 * (plan ->> 'estimated_ms')::int");
    const auto expect_slow = [&](const char* index) {
        choose({index});
        EXPECT_NEAR(static_cast<double>(chosen_.steps.at(0).estimated_ms.value()), 3.0 * static_cast<double>(usual), 5);
    };
    expect_slow("CREATE INDEX t_b ON t (b)");
    // The estimate comes true now: the server is no faster for that.
    run({"CREATE INDEX t_b ON t (b)"});
    sql().execute("UPDATE pgeist.steps SET work_ms = (plan ->> 'estimated_ms')::int WHERE plan ->> 'pace' <> '1'");
    expect_slow("CREATE INDEX t_c ON t (c)");
    EXPECT_EQ(sql().number("SELECT count(*) FROM pgeist.steps WHERE plan ->> 'estimated_ms' <> work_ms::text"), 1);
    sql().execute("DELETE FROM pgeist.steps WHERE plan ->> 'estimated_ms' <> work_ms::text");
    expect_slow("CREATE INDEX t_c ON t (c)");
    settings_.max_block = std::chrono::seconds(10);
    choose({"CREATE INDEX t_c ON t (c)"});
    EXPECT_NE(chosen_.steps.at(0).why.find("by what 1 earlier step of the kind took here"), std::string::npos)
        << chosen_.steps.at(0).why;
    choose({"ALTER TABLE t ADD CHECK (a > 0)"});
    EXPECT_EQ(chosen_.steps.at(0).why.find("took here"), std::string::npos) << "nothing was read yet";
}

// What nothing bounds is not made shorter by how fast other steps have read.
TEST_F(native_steps, that_read_say_nothing_of_queries_that_write) {
    sql().execute("CREATE TABLE t AS SELECT i AS a, repeat('x', 200) AS b FROM generate_series(1, 60000) i; ANALYZE t");
    settings_.max_block = std::chrono::seconds(10);
    const std::vector<std::string> update{"UPDATE t SET a = 1 FROM (SELECT 1) AS one"};
    choose(update);
    const auto usual = chosen_.steps.at(0).estimated_ms;
    ASSERT_GT(usual.value(), 100);
    run({"ALTER TABLE t ADD CHECK (a > 0)"});
    for (const int times : {1, 20}) {
        sql().execute("UPDATE pgeist.steps SET work_ms = " + std::to_string(times) +
                      ", plan = jsonb_set(plan, '{estimated_ms}', '20')");
        choose(update);
        EXPECT_EQ(chosen_.steps.at(0).estimated_ms, usual);
    }
}

}  // namespace
}  // namespace pgeist::test
