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

INSTANTIATE_TEST_SUITE_P(of, encodings,
                         ::testing::Values("LATIN1", "LATIN9", "WIN1252", "KOI8R", "EUC_JP", "SQL_ASCII"),
                         [](const auto& each) { return std::string(each.param); });

}  // namespace
}  // namespace pgeist::test
