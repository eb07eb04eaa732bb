// Jobs that an earlier version has begun, resumed by this one.

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/json_lines.hpp"
#include "support/table_rows.hpp"

namespace pgeist::test {
namespace {

class earlier_version : public run_test {
protected:
    /// public.t with what earlier versions saw otherwise: a mark of CLUSTER, rights on it and on a column.
    void make() {
        make_table(500);
        const std::string reader = db().create_role("reader");
        sql().execute(
            "CREATE INDEX by_code ON public.t (code); ALTER TABLE public.t CLUSTER ON by_code; GRANT SELECT ON "
            "public.t TO " +
            reader + "; GRANT UPDATE (note) ON public.t TO " + reader +
            "; CREATE VIEW public.few AS SELECT id FROM public.t WHERE id < 10");
    }

    /// How version 0.1.0 told definitions apart.
    std::string fingerprint() {
        std::ifstream file(std::string(PGEIST_SOURCE_DIR) + "/tests/e2e/earlier_fingerprint.sql");
        std::ostringstream text;
        text << file.rdbuf();
        const int major = sql().server_major();
        std::string query = text.str();
        for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{
                 {"{nulls_not_distinct}", major >= 15 ? "i.indnullsnotdistinct" : "false"},
                 {"{enforced}", major >= 18 ? "conenforced" : "true"},
                 {"{set_columns}", major >= 15 ? "confdelsetcols" : "NULL"},
                 {"{publication}", major >= 15 ? "prqual, prattrs" : "NULL"}}) {
            query.replace(query.find(name), name.size(), value);
        }
        return sql().scalar(query, {sql().scalar("SELECT 'public.t'::regclass::oid")});
    }

    /// A job all of which is done but the swap, as that version left it.
    void leave_job() {
        const std::string then = fingerprint();
        pgeist_process running = start({"--alter", "ALTER COLUMN id TYPE bigint", "--postpone-swap"});
        running.wait_for_phase("swap");
        running.kill_hard();
        wait_for_job_state(db().uri(), "interrupted");
        sql().query(
            "UPDATE pgeist.jobs SET blueprint = blueprint - 'fingerprint_parts' - 'clustered_on' - 'same_operators' || "
            "jsonb_build_object('fingerprint', $1::text)",
            {then});
    }
};

TEST_F(earlier_version, of_a_table_with_a_mark_of_cluster_is_resumed) {
    make();
    leave_job();
    const std::string digest = table_digest(sql(), "public.t");
    pgeist_process running(db().uri(), {"resume", "1"});
    wait_for_job_state(db().uri(), "waiting_for_swap");
    EXPECT_TRUE(exited(command("swap", {"1"}), 0));
    EXPECT_TRUE(exited(running.finish(), 0));
    EXPECT_EQ(type_of("id"), "bigint");
    EXPECT_EQ(table_digest(sql(), "public.t"), digest);
    EXPECT_EQ(sql().scalar("SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'public.t'::regclass AND "
                           "indisclustered"),
              "by_code");
    expect_cleanup_leaves_nothing();
}

TEST_F(earlier_version, of_a_table_that_was_changed_is_not_resumed) {
    make();
    leave_job();
    sql().execute("ALTER TABLE public.t ALTER COLUMN note SET DEFAULT 'x'");
    const run_result result = command("resume", {"1"});
    EXPECT_TRUE(exited(result, 1));
    EXPECT_TRUE(says(result, {"changed by someone"}));
    expect_cleanup_leaves_nothing();
}

}  // namespace
}  // namespace pgeist::test
