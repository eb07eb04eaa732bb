// Databases of other encodings than UTF-8: whatever pgeist writes into its own tables can be stored there.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/leftovers.hpp"

namespace pgeist::test {
namespace {

class encodings : public run_test, public ::testing::WithParamInterface<const char*> {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        other = db().name() + "_other";
        sql().execute("CREATE DATABASE " + other + " TEMPLATE template0 LOCALE 'C' ENCODING '" + GetParam() + "'");
    }

    void TearDown() override {
        if (!other.empty()) {
            sql().execute("DROP DATABASE " + other + " WITH (FORCE)");
        }
        run_test::TearDown();
    }

    std::string uri() { return db().address().with("dbname", other).uri(); }

    std::string other;
};

TEST_P(encodings, a_job_runs_whatever_it_has_to_tell) {
    sync_connection there(uri());
    there.execute("SET client_encoding = 'UTF8'");
    there.execute("CREATE TABLE public.guests (id int PRIMARY KEY, name text NOT NULL, j jsonb)");
    // Characters that this encoding has, in data, in names and in what is said of them.
    const std::string own = GetParam() == std::string("KOI8R")    ? "чай"
                            : GetParam() == std::string("EUC_JP") ? "茶→"
                                                                  : "the";
    const std::string quoted = there.literal(own);
    there.execute("COMMENT ON TABLE public.guests IS " + quoted + "; ALTER TABLE public.guests ADD COLUMN " +
                  there.identifier(own) + " text DEFAULT " + quoted +
                  "; INSERT INTO public.guests (id, name) SELECT i, " + quoted +
                  " || i FROM generate_series(1, 300) AS i");
    EXPECT_TRUE(exited(run_pgeist(uri(), {"run", "--table", "guests", "--alter", "ALTER COLUMN id TYPE bigint", "--set",
                                          "j = '{\"a\": 1}'::jsonb -> 'a'", "--set", "name = name || " + quoted}),
                       0));
    EXPECT_EQ(there.number("SELECT count(*) FROM public.guests WHERE name LIKE " + quoted + " || '%' || " + quoted),
              300);
    EXPECT_EQ(there.scalar("SELECT obj_description('public.guests'::regclass)"), own);
    EXPECT_TRUE(exited(run_pgeist(uri(), {"status"}), 0));
    // A command of the user's says something that this encoding may not have.
    EXPECT_TRUE(
        exited(run_pgeist(uri(), {"run", "--table", "guests", "--alter", "ALTER COLUMN name TYPE varchar(2)"}), 1));
    EXPECT_TRUE(exited(run_pgeist(uri(), {"cleanup", "--all"}), 0));
    EXPECT_EQ(objects_left_behind(there), std::vector<std::string>{});
}

TEST_P(encodings, what_cannot_be_stored_is_refused_before_anything_is_done) {
    if (GetParam() == std::string("SQL_ASCII")) {
        return;  // takes all bytes
    }
    sync_connection there(uri());
    there.execute("CREATE TABLE public.guests (id int PRIMARY KEY, name text NOT NULL)");
    for (const char* name : {"plan", "run"}) {
        const run_result result =
            run_pgeist(uri(), {name, "--table", "guests", "--repack", "--pause-file", "/nowhere/ส้ม"});
        EXPECT_TRUE(exited(result, 3));
        EXPECT_TRUE(says(result, {"cannot be stored", other, GetParam()}));
    }
    {
        pgeist_process running(uri(), {"run", "--output", "json", "--table", "guests", "--repack", "--postpone-swap"});
        running.wait_for_phase("swap");
        running.kill_hard();
    }
    EXPECT_TRUE(exited(run_pgeist(uri(), {"resume", "1", "--pause-file", "/nowhere/ส้ม"}), 3));
    EXPECT_TRUE(exited(run_pgeist(uri(), {"cleanup", "1"}), 0));
}

// Of a database in SQL_ASCII nobody knows what its bytes mean: they are passed on as they are, in data, names and keys.
TEST_P(encodings, bytes_that_are_no_utf8_pass_where_nobody_looks_at_them) {
    if (GetParam() != std::string("SQL_ASCII")) {
        return;
    }
    sync_connection there(uri());
    there.execute("SET client_encoding = 'SQL_ASCII'");
    there.execute(R"(CREATE TABLE public.guests (name text PRIMARY KEY, note text, n int NOT NULL);
        INSERT INTO public.guests SELECT E'Ren\351 ' || g, E'\344\374' || g, g FROM generate_series(1, 1000) AS g;
        DO $$ BEGIN EXECUTE 'ALTER TABLE public.guests ADD COLUMN "' || E'caf\351' || '" text DEFAULT ' ||
            quote_literal(E'\337'); EXECUTE 'COMMENT ON TABLE public.guests IS ' || quote_literal(E'H\364tel');
            EXECUTE 'CREATE VIEW public.known AS SELECT g.n FROM public.guests g WHERE g.note > ' || quote_literal(E'\344');
            EXECUTE 'CREATE INDEX ' || quote_ident(E'\344ndex') || ' ON public.guests (note)'; END $$)");
    const std::string digest =
        "SELECT md5(string_agg(g::text, ',' ORDER BY n)) || obj_description('public.guests'::regclass) FROM "
        "public.guests g";
    const std::string before = there.scalar(digest);
    const std::vector<std::string> change{"--table",      "guests", "--alter", "ALTER COLUMN n TYPE bigint",
                                          "--chunk-rows", "50"};
    std::vector<std::string> arguments{"plan", "--output", "json"};
    arguments.insert(arguments.end(), change.begin(), change.end());
    const run_result planned = run_pgeist(uri(), std::move(arguments));
    EXPECT_TRUE(exited(planned, 0));
    EXPECT_EQ(planned.events().size(), 1U);
    arguments.assign({"run", "--output", "json", "--postpone-swap"});
    arguments.insert(arguments.end(), change.begin(), change.end());
    {
        pgeist_process running(uri(), arguments);
        running.wait_for_phase("swap");
        there.execute(
            R"(UPDATE public.guests SET name = E'\377' || n WHERE n % 100 = 0; DELETE FROM public.guests WHERE n % 100 = 1;
            INSERT INTO public.guests VALUES (E'\200', E'\300\200', 5000))");
        running.kill_hard();
    }
    wait_for_job_state(uri(), "interrupted");
    const std::string written = there.scalar(digest);
    ASSERT_NE(written, before);
    pgeist_process resumed(uri(), {"resume", "1"});
    wait_for_job_state(uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(run_pgeist(uri(), {"swap", "1"}), 0));
    EXPECT_TRUE(exited(resumed.finish(), 0));
    EXPECT_EQ(there.scalar(digest), written);
    EXPECT_EQ(there.number("SELECT count(*) FROM public.known"), 990);
    // A row that does not fit is told of.
    EXPECT_TRUE(exited(run_pgeist(uri(), {"run", "--output", "json", "--table", "guests", "--alter",
                                          "ADD CONSTRAINT short CHECK (length(name) < 3)"}),
                       1));
    EXPECT_TRUE(exited(run_pgeist(uri(), {"cleanup", "--all"}), 0));
    EXPECT_EQ(objects_left_behind(there), std::vector<std::string>{});
}

INSTANTIATE_TEST_SUITE_P(of, encodings,
                         ::testing::Values("LATIN1", "LATIN9", "WIN1252", "KOI8R", "EUC_JP", "SQL_ASCII"),
                         [](const auto& each) { return std::string(each.param); });

class encoding_without_utf8 : public run_test {};

TEST_F(encoding_without_utf8, is_refused_by_its_name) {
    const std::string other = db().name() + "_mule";
    if (!sql()
             .sqlstate_of("CREATE DATABASE " + other + " TEMPLATE template0 LOCALE 'C' ENCODING 'MULE_INTERNAL'")
             .empty()) {
        return;  // later servers have no such encoding
    }
    for (const char* name : {"plan", "run"}) {
        const run_result result =
            run_pgeist(db().address().with("dbname", other).uri(), {name, "--table", "t", "--repack"});
        EXPECT_TRUE(exited(result, 3));
        EXPECT_TRUE(says(result, {"MULE_INTERNAL", "cannot be converted to UTF-8"}));
    }
    sql().execute("DROP DATABASE " + other + " WITH (FORCE)");
}

}  // namespace
}  // namespace pgeist::test
