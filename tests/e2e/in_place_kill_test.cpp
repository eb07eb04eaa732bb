// An expansion that is killed, or loses its connection, at every point where it stores something: in the end the table
// is what it is after one that nobody disturbed, and contract leaves what the plain ALTERs leave.

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/tcp_proxy.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {
namespace {

/// A message of the expansion: held until the process is killed, or its answer lost.
struct loss {
    const char* name;
    const char* after;
    const char* text;
    fate what;
};

// GoogleTest finds it by this name.
// NOLINTNEXTLINE(readability-identifier-naming)
void PrintTo(const loss& what, std::ostream* to) { *to << what.name; }

class expand_cut_off : public run_test, public ::testing::WithParamInterface<loss> {
protected:
    std::string job() { return text_of(only_job(db().uri()), "job"); }

    void expect_expanded() {
        EXPECT_EQ(
            sql().number("SELECT count(*) FROM t WHERE full_name IS DISTINCT FROM name OR big IS DISTINCT FROM n"), 0);
        EXPECT_EQ(sql().scalar("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = "
                               "'t'::regclass AND attnum > 0 AND attnotnull"),
                  "id name full_name");
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE indrelid = 't'::regclass AND indisvalid"), 5);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_index WHERE NOT indisvalid"), 0);
        EXPECT_EQ(
            sql().scalar("SELECT string_agg(contype::text || convalidated, ' ' ORDER BY contype) FROM pg_constraint "
                         "WHERE conrelid = 't'::regclass AND contype IN ('c', 'f')"),
            "ctrue ctrue ftrue ftrue");
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_trigger WHERE tgrelid = 't'::regclass AND NOT tgisinternal AND "
                               "tgenabled = 'A'"),
                  1);
        EXPECT_EQ(sql().number("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'pgeist\\_%'"), 1);
    }
};

TEST_P(expand_cut_off, is_whole_in_the_end) {
    sql().execute(R"(
        CREATE TABLE owners (id int PRIMARY KEY); INSERT INTO owners SELECT generate_series(1, 40);
        CREATE TABLE t (id int PRIMARY KEY, name text NOT NULL DEFAULT 'x' CHECK (name <> ''), n int REFERENCES owners,
                        CONSTRAINT apiece UNIQUE (name) DEFERRABLE);
        CREATE INDEX t_name ON t (name); COMMENT ON COLUMN t.name IS 'who';
        INSERT INTO t SELECT i, 'n' || i, i FROM generate_series(1, 40) AS i)");
    tcp_proxy proxy(db().address());
    proxy.lay({GetParam().after, GetParam().text, GetParam().what});
    pgeist_process run(proxy.through(db().address()).uri(),
                       {"expand", "--table", "t", "--output", "json", "--chunk-rows", "10", "--rename",
                        "name=full_name", "--add", "big bigint", "--up", "big = n", "--down", "n = big::int"});
    proxy.wait_for_ambush();
    if (GetParam().what == fate::held) {
        run.kill_hard();
        proxy.drop_all();
        wait_for("the job to be interrupted", [&] { return text_of(only_job(db().uri()), "state") == "interrupted"; });
        EXPECT_TRUE(exited(command("resume", {job()}), 0));
    } else {
        EXPECT_TRUE(exited(run.finish(), 0)) << "ridden out";
    }
    expect_expanded();
    EXPECT_TRUE(exited(command("contract", {job()}), 0));
    EXPECT_EQ(sql().scalar("SELECT string_agg(attname, ' ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = "
                           "'t'::regclass AND attnum > 0 AND NOT attisdropped"),
              "id full_name big");
    EXPECT_EQ(sql().scalar("SELECT string_agg(conname, ' ' ORDER BY conname) FROM pg_constraint WHERE conrelid = "
                           "'t'::regclass AND contype <> 'n'"),
              "apiece t_big_fkey t_name_check t_pkey");
    expect_cleanup_leaves_nothing();
}

const loss losses[] = {
    {"before_the_columns", "", "\"public\".\"t\" ADD COLUMN", fate::held},
    {"answer_of_the_columns", "ENABLE ALWAYS TRIGGER", "COMMIT", fate::answer_lost},
    {"before_a_deferrable_constraint", "", "CREATE UNIQUE INDEX CONCURRENTLY \"apiece_full_name\"", fate::held},
    {"answer_of_a_deferrable_constraint", "UNIQUE USING INDEX", "COMMIT", fate::answer_lost},
    {"before_a_chunk", "", "INSERT INTO pgeist.chunks", fate::held},
    {"answer_of_the_last_look", "keep_in_step", "COMMIT", fate::answer_lost},
    {"before_an_index", "", "CREATE INDEX CONCURRENTLY \"t_full_name\"", fate::held},
    {"answer_of_not_null", "SET NOT NULL", "COMMIT", fate::answer_lost},
    {"before_validation", "", "VALIDATE CONSTRAINT", fate::held},
};

INSTANTIATE_TEST_SUITE_P(by, expand_cut_off, testing::ValuesIn(losses),
                         [](const auto& each) { return std::string(each.param.name); });

}  // namespace
}  // namespace pgeist::test
